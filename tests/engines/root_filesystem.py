"""A root filesystem of a few files for what engines run: busybox, and setfattr with its libraries."""

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from reprobuild.canonical import Digest
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import LAYER_TAR, Descriptor
from reprobuild.store import Store

__all__ = ["EPOCH", "Member", "put_layer", "tiny_root"]

EPOCH = 315532800
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"


class Member:
    """An entry of a layer: *kind* is one of tarfile's types."""

    def __init__(self, name: str, data: bytes = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0, **rest) -> None:
        self.data = data
        self.info = tarfile.TarInfo(name)
        self.info.type, self.info.size, self.info.mtime = kind, len(data), EPOCH
        self.info.mode = mode or (0o755 if kind == tarfile.DIRTYPE else 0o644)
        xattrs = rest.pop("xattrs", {})
        self.info.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in xattrs.items()}
        for key, value in rest.items():
            setattr(self.info, key, value)


def folder(name: str, **rest) -> Member:
    return Member(name, kind=tarfile.DIRTYPE, **rest)


def put_layer(store: Store, members: Sequence[Member]) -> RootLayer:
    """Put the layer that holds *members*, in that order, into *store*."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            archive.addfile(member.info, io.BytesIO(member.data))
    data = file.getvalue()
    digest = Digest("sha256:" + hashlib.sha256(data).hexdigest())
    store.add(data)
    return RootLayer(descriptor=Descriptor(media_type=LAYER_TAR, digest=digest, size=len(data)), diff_id=digest)


def tiny_root(store: Store) -> tuple[RootLayer, RootLayer]:
    """Put a root filesystem of two layers into *store*; the second hides ``data/hidden`` of the first."""
    return (
        put_layer(store, [*_system(), *_data()]),
        put_layer(
            store,
            [
                folder("data"),
                Member("data/.wh.hidden"),
                folder("data/folder", mode=0o750),
                Member("data/folder/upper", b"upper\n"),
                folder("data/opaque"),
                Member("data/opaque/.wh..wh..opq"),
                Member("data/opaque/new", b"new\n"),
            ],
        ),
    )


def _data() -> list[Member]:
    return [
        folder("data"),
        Member("data/hidden", b"hidden\n"),
        Member("data/file", b"file\n"),
        Member("data/script", b"#!/bin/sh\necho ran\n", mode=0o755),
        Member("data/owned", b"owned\n", uid=1000, gid=1001, mode=0o640),
        Member("data/noted", b"noted\n", xattrs={"user.note": "kept"}),
        Member("data/one", b"twice\n"),
        Member("data/two", kind=tarfile.LNKTYPE, linkname="data/one"),
        Member("data/link", kind=tarfile.SYMTYPE, linkname="file"),
        folder("data/folder", mode=0o750),
        Member("data/folder/inner", b"inner\n"),
        folder("data/folder/deep"),
        Member("data/folder/deep/file", b"deep\n"),
        folder("data/opaque"),
        Member("data/opaque/old", b"old\n"),
        folder("data/closed", mode=0o700),
        Member("data/closed/file", b"closed\n", mode=0o600),
    ]


def _system() -> list[Member]:
    busybox = Path("/bin/busybox")
    assert busybox.exists(), "busybox is not installed; scripts/test installs what the tests need"
    names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    links = [
        Member(f"bin/{name}", kind=tarfile.SYMTYPE, linkname="busybox")
        for name in sorted(names)
        if name != "busybox" and "/" not in name
    ]
    return [
        *(folder(name) for name in ("bin", "etc", "proc", "dev", "root", "lib", "lib64", "lib/x86_64-linux-gnu")),
        folder("tmp", mode=0o1777),
        Member("etc/passwd", _PASSWD),
        Member("bin/busybox", busybox.read_bytes(), mode=0o755),
        *links,
        *_setfattr(),
    ]


def _setfattr() -> list[Member]:
    program = shutil.which("setfattr")
    assert program is not None, "setfattr is not installed; scripts/test installs what the tests need"
    needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    paths = re.findall(r"(/\S+)", needed)
    folders = {parent for path in paths for parent in _parents(path)} - {"lib", "lib64", "lib/x86_64-linux-gnu"}
    libraries = [Member(path.lstrip("/"), Path(path).read_bytes(), mode=0o755) for path in paths]
    return [
        *(folder(name) for name in sorted(folders)),
        *libraries,
        Member("bin/setfattr", Path(program).read_bytes(), mode=0o755),
    ]


def _parents(path: str) -> list[str]:
    parts = path.strip("/").split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]
