"""Small wheels made to order, honest or not."""

import base64
import hashlib
import io
from collections.abc import Mapping
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from reprobuild.lockfile import Interpreter

DEBIAN = Interpreter(
    executable="/usr/bin/python3.11",
    purelib="/usr/local/lib/python3.11/dist-packages",
    platlib="/usr/local/lib/python3.11/dist-packages",
    scripts="/usr/local/bin",
    include="/usr/local/include/python3.11",
    data="/usr/local",
)
SITE = DEBIAN.purelib.lstrip("/")


def record_row(path: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(data)}\n"


def make_wheel(
    files: Mapping[str, bytes],
    *,
    name: str = "demo",
    version: str = "1.0",
    executable: frozenset[str] = frozenset(),
    record: Mapping[str, str] | None = None,
    extra: tuple[tuple[ZipInfo, bytes], ...] = (),
    reverse: bool = False,
) -> bytes:
    """Return a wheel that holds *files*; *record* overrides rows of RECORD, *extra* adds raw members."""
    info = f"{name}-{version}.dist-info"
    contents = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **files,
    }
    rows = {path: record_row(path, data) for path, data in contents.items()} | dict(record or {})
    text = "".join(row for _, row in sorted(rows.items())) + f"{info}/RECORD,,\n"
    contents[f"{info}/RECORD"] = text.encode()
    stream = io.BytesIO()
    with ZipFile(stream, "w", ZIP_DEFLATED) as archive:
        for path, data in sorted(contents.items(), reverse=reverse):
            member = ZipInfo(path, date_time=(2024, 1, 1, 0, 0, 0))
            member.external_attr = (0o100755 if path in executable else 0o100644) << 16
            member.compress_type = ZIP_DEFLATED
            archive.writestr(member, data)
        for member, data in extra:
            archive.writestr(member, data)
    return stream.getvalue()
