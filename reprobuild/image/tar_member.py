"""Tar headers as tarfile reads them, more strictly, and ordinary ones faster."""

import re
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, cast
from zlib import adler32

from reprobuild.image.plain_file import PlainFile

__all__ = ["Archive", "Member"]

_EXTENSION_LIMIT = 1024**2
"""Bytes of a pax or GNU extension, which tarfile reads at once."""
_EXTENSIONS = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)
_ORDINARY = re.compile(
    rb"(?s)(.{100})([0-7]{7})[\0 ]([0-7]{7})[\0 ]([0-7]{7})[\0 ]([0-7]{11})[\0 ]([0-7]{11})[\0 ]"
    rb"([0-7]{6})[\0 ].([0125])(.{100})ustar.{83}(.{155}).{12}"
)
"""Name, mode, uid, gid, size, mtime, checksum, type, link, prefix (POSIX.1-2017, pax, "ustar Interchange Format")."""


class Member(tarfile.TarInfo):
    """A tar header that is not taken for the end when it is damaged, and whose extensions do not fill the memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Member":
        """Return the header in *buf*, as tarfile does."""
        return cls.ordinary(buf, encoding, errors) or cls._checked(super().frombuf, buf, encoding, errors)

    @classmethod
    def _frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str, **options: bool) -> "Member":
        """Do the same where it is read by newer Pythons, security releases of old ones among them."""
        read: Callable[..., tarfile.TarInfo] = super()._frombuf  # type: ignore[misc]
        return cls.ordinary(buf, encoding, errors) or cls._checked(partial(read, **options), buf, encoding, errors)

    @classmethod
    def ordinary(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "Member | None":
        """Return what an ordinary header says, as nearly all are; None for any other, which tarfile then reads.

        Files, links and directories with all numbers in octal digits. tarfile takes four times as long for them.
        """
        if (found := _ORDINARY.fullmatch(buf)) is None:
            return None
        name, mode, uid, gid, size, mtime, checksum, kind, target, prefix = found.groups()
        if _total(buf) - sum(buf[148:156]) + 8 * 0x20 != int(checksum, 8):
            return None
        text = bytes(name.partition(b"\0")[0]).decode(encoding, errors)
        if prefix[0]:
            text = f"{_text(prefix, encoding, errors)}/{text}"
        member = cls(text.rstrip("/") if kind == tarfile.DIRTYPE else text)
        member.mode, member.uid, member.gid = int(mode, 8), int(uid, 8), int(gid, 8)
        member.size, member.mtime, member.chksum = int(size, 8), int(mtime, 8), int(checksum, 8)
        member.type = bytes(kind)
        if target[0]:
            member.linkname = _text(target, encoding, errors)
        return member

    @staticmethod
    def _checked(read: Callable[..., tarfile.TarInfo], buf: bytes | bytearray, encoding: str, errors: str) -> "Member":
        try:
            member = cast("Member", read(buf, encoding, errors))
        except tarfile.HeaderError as error:
            if any(buf):
                raise tarfile.ReadError(str(error)) from error
            raise
        if member.size < 0 or (member.type in _EXTENSIONS and member.size > _EXTENSION_LIMIT):
            raise tarfile.ReadError(f"a header that announces {member.size} bytes")
        return member


class Archive:
    """The members of the tar archive *file*, in its order, each to be done with before the next is asked for.

    Raises what tarfile does for what is no archive.
    """

    def __init__(self, file: PlainFile) -> None:
        self._file = file
        self._read = tarfile.open(None, "r:", cast("IO[bytes]", file), tarinfo=Member, encoding="utf-8")  # noqa: SIM115

    def __iter__(self) -> Iterator[Member]:
        read = self._read
        # The first has been read.
        member = cast("Member | None", read.next())
        while member is not None:
            yield member
            # What a global header says of all members is added by tarfile.
            member = None if read.pax_headers else self._ordinary()
            if member is None:
                member = cast("Member | None", read.next())
                read.members.clear()  # type: ignore[attr-defined]  # or it remembers them all

    def sparse(self, member: Member) -> IO[bytes] | None:
        """Return the contents of a sparse file, holes filled."""
        return self._read.extractfile(member)

    def _ordinary(self) -> Member | None:
        """Return the next member without what tarfile does besides, if it is an ordinary one and at hand."""
        read, start = self._read, self._read.offset
        block = self._file.peek(start, tarfile.BLOCKSIZE)
        member = None if block is None else Member.ordinary(block, "utf-8", "surrogateescape")
        if member is not None:
            member.offset, member.offset_data = start, start + tarfile.BLOCKSIZE
            size = member.size if member.type == tarfile.REGTYPE else 0
            read.offset = member.offset_data + size + -size % tarfile.BLOCKSIZE
        return member


def _total(buf: bytes | bytearray) -> int:
    """Return the sum of the 512 bytes of *buf*, which is nearly all of what Adler-32 computes of halves (RFC 1950)."""
    # Its low half is 1 and the sum, modulo 65521, which 256 bytes cannot reach; summing them one by one takes longer.
    return (adler32(buf[:256]) & 0xFFFF) + (adler32(buf[256:]) & 0xFFFF) - 2


def _text(field: bytes, encoding: str, errors: str) -> str:
    return bytes(field.partition(b"\0")[0]).decode(encoding, errors)
