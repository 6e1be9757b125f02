"""The one form of a wheel that we built: equal contents are equal bytes, whoever packed them, on whatever machine.

Members stand in the order of their path's bytes, stored, with the date 1980-01-01 and mode 0755 or 0644; RECORD is
written anew, in that order; signatures of the old RECORD and bytecode are left out. It stays the wheel that it was
for every installer (binary distribution format, PyPA specifications).
"""

import base64
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

from reprobuild.builder.stored_zip import ZipMember, stored_zip
from reprobuild.builder.wheel import open_wheel
from reprobuild.builder.zip import checked_members, stream_member
from reprobuild.canonical import Digest, digest_of
from reprobuild.errors import ContentError

__all__ = ["canonical_wheel", "dist_info", "first_difference", "wheel_of"]

_SIGNATURES = (".dist-info/RECORD.jws", ".dist-info/RECORD.p7s")


def canonical_wheel(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the canonical bytes of the wheel *name* in *file*, streaming; raise ContentError if it is none."""
    with open_wheel(file, name) as archive:
        members = _members(archive, name)
        record = f"{dist_info(members, name)}/RECORD"
        text = _record(archive, members, record, name)
        yield from stored_zip(_contents(archive, members, record, text, name), where=name)


def wheel_of(files: Mapping[str, bytes], name: str) -> bytes:
    """Return the canonical wheel *name* that holds *files* by path; its RECORD is written, not given."""
    info = dist_info(files, name)
    rows = [_row(path, digest_of(data), len(data)) for path, data in files.items()]
    contents = {**files, f"{info}/RECORD": _record_text(rows, f"{info}/RECORD")}
    members = (
        (ZipMember(path=path, size=len(contents[path]), crc=zlib.crc32(contents[path])), (contents[path],))
        for path in sorted(contents, key=str.encode)
    )
    return b"".join(stored_zip(members, where=name))


def dist_info(paths: Mapping[str, object], name: str) -> str:
    """Return the one ``.dist-info`` folder among the members *paths* of the wheel *name*."""
    found = sorted({folder for path in paths if (folder := path.split("/")[0]).endswith(".dist-info")})
    if len(found) != 1 or f"{found[0]}/METADATA" not in paths or f"{found[0]}/WHEEL" not in paths:
        raise ContentError("it has not exactly one .dist-info folder with METADATA and WHEEL", where=name)
    return found[0]


def first_difference(one: BinaryIO, other: BinaryIO, name: str) -> str | None:
    """Return the first member, by path bytes, in which two wheels differ, RECORD last; None if none does."""
    with open_wheel(one, name) as left, open_wheel(other, name) as right:
        before, after = _digests(left, name), _digests(right, name)
    differing = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    differing.sort(key=lambda path: (path.endswith(".dist-info/RECORD"), path.encode()))
    return differing[0] if differing else None


def _members(archive: ZipFile, name: str) -> dict[str, ZipInfo]:
    """Return the members that stay, by path, in order."""
    found = checked_members(archive, name)
    kept = (path for path in found if not path.endswith(_SIGNATURES) and "__pycache__" not in path.split("/"))
    return {path: found[path] for path in sorted(kept, key=str.encode)}


def _record(archive: ZipFile, members: Mapping[str, ZipInfo], record: str, name: str) -> bytes:
    rows = [
        _row(path, _digest(archive, path, name), info.file_size) for path, info in members.items() if path != record
    ]
    return _record_text(rows, record)


def _contents(
    archive: ZipFile, members: Mapping[str, ZipInfo], record: str, text: bytes, name: str
) -> Iterator[tuple[ZipMember, Iterator[bytes]]]:
    for path in sorted({*members, record}, key=str.encode):
        if path == record:
            yield ZipMember(path=path, size=len(text), crc=zlib.crc32(text)), iter((text,))
        else:
            info = members[path]
            executable = bool(info.external_attr >> 16 & 0o111)
            member = ZipMember(path=path, size=info.file_size, crc=info.CRC, executable=executable)
            yield member, stream_member(archive, path, name)


def _digest(archive: ZipFile, path: str, name: str) -> Digest:
    found = hashlib.sha256()
    for chunk in stream_member(archive, path, name):
        found.update(chunk)
    return Digest("sha256:" + found.hexdigest())


def _digests(archive: ZipFile, name: str) -> dict[str, tuple[Digest, bool]]:
    members = checked_members(archive, name)
    return {
        path: (_digest(archive, path, name), bool(info.external_attr >> 16 & 0o111)) for path, info in members.items()
    }


def _row(path: str, digest: Digest, size: int) -> tuple[str, str]:
    hash_ = base64.urlsafe_b64encode(bytes.fromhex(digest.removeprefix("sha256:"))).decode().rstrip("=")
    return path, f"{_quoted(path)},sha256={hash_},{size}\n"


def _record_text(rows: list[tuple[str, str]], record: str) -> bytes:
    """Return RECORD: a row for each path in order, its own without hash (PEP 376 by way of the PyPA)."""
    ordered = sorted([*rows, (record, f"{_quoted(record)},,\n")], key=lambda row: row[0].encode())
    return "".join(text for _, text in ordered).encode()


def _quoted(path: str) -> str:
    return '"' + path.replace('"', '""') + '"' if set(path) & set(',"\n\r') else path
