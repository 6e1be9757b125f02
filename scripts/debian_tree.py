"""Debian packages → the tree of an image: their files, and as data what their maintainer scripts would have done.

Modes, numeric owners and contents come from the packages alone; no script of theirs runs, so any machine
can make the tree of any architecture, and always the same one.
"""

import io
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from debian_archive import parse_stanza
from ld_so_cache import library_cache, library_names

from reprobuild.builder.tree import Entry, checked_path, directory, in_order, parents, regular_file, symlink
from reprobuild.errors import ContentError, MachineError

__all__ = ["Content", "bundle", "chunks", "is_kept", "status", "tree_of", "usr_merged"]

_CHUNK = 1024 * 1024
_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "symlink",
    tarfile.DIRTYPE: "directory",
}
_MERGED = re.compile(r"(bin|sbin|lib|lib32|lib64|libx32)(?=/|$)")
# Documentation, translations, times with leap seconds, and what only desktops, packagers and debuggers read.
_LEFT_OUT = re.compile(
    r"usr/share/(applications|bug|doc|doc-base|gcc|gdb|info|lintian|locale|man|menu|pixmaps|zoneinfo/(posix|right))"
    r"(?=/|$)"
)
_LICENCE = re.compile(r"usr/share/doc/[^/]+/copyright")

# What the maintainer scripts of base-files, base-passwd and libc-bin copy.
_COPIES = {
    "etc/group": "usr/share/base-passwd/group.master",
    "etc/nsswitch.conf": "usr/share/libc-bin/nsswitch.conf",
    "etc/passwd": "usr/share/base-passwd/passwd.master",
    "etc/profile": "usr/share/base-files/profile",
    "root/.bashrc": "usr/share/base-files/dot.bashrc",
    "root/.profile": "usr/share/base-files/dot.profile",
}
# What base-files, alternatives, and for OpenSSL's own paths the package openssl, link.
_LINKS = {
    "etc/dpkg/origins/default": "debian",
    "usr/bin/awk": "mawk",
    "usr/bin/which": "which.debianutils",
    "usr/lib/ssl/cert.pem": "/etc/ssl/certs/ca-certificates.crt",
    "usr/lib/ssl/certs": "/etc/ssl/certs",
    "var/lock": "/run/lock",
    "var/run": "/run",
}
_FOLDERS = [
    *(directory(path) for path in ("etc/opt", "media", "mnt", "opt", "srv", "var/opt")),
    *(directory(f"usr/local/{name}") for name in ("bin", "etc", "include", "lib", "sbin", "share", "src")),
    directory("run/lock", mode=0o1777),
    directory("usr/local/lib/python3.11/dist-packages"),
    directory("usr/local/share/ca-certificates"),
    directory("var/mail", mode=0o2775, gid=8),
    directory("var/tmp", mode=0o1777),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Where the bytes of a file are: *size* of them in *file*, from *offset* on."""

    file: Path
    offset: int
    size: int


Tree = dict[str, tuple[Entry, Content | bytes]]


def usr_merged(path: str) -> str:
    """Return where *path* is in a merged /usr: ``bin/sh`` is ``usr/bin/sh``."""
    return f"usr/{path}" if _MERGED.match(path) else path


def is_kept(path: str) -> bool:
    """Say whether the image keeps the file *path*; of documentation it keeps the licences."""
    return _LEFT_OUT.match(path) is None or _LICENCE.fullmatch(path) is not None


def bundle(certificates: Mapping[str, bytes]) -> bytes:
    """Return the PEM texts of *certificates*, path to text, as one text in the order of their paths."""
    return b"".join(certificates[path].rstrip(b"\n") + b"\n" for path in sorted(certificates))


def status(controls: Iterable[str]) -> str:
    """Return dpkg's status file for packages that have *controls* as control files, sorted by name."""
    stanzas = sorted(controls, key=lambda text: parse_stanza(text)["Package"])
    return "".join(
        re.sub(r"(?m)^(Package: .*)$", r"\1\nStatus: install ok installed", text.strip("\n"), count=1) + "\n\n"
        for text in stanzas
    )


def chunks(content: Content | bytes) -> Iterator[bytes]:
    """Yield the bytes that *content* stands for."""
    if isinstance(content, bytes):
        yield content
        return
    with content.file.open("rb") as file:
        file.seek(content.offset)
        left = content.size
        while left and (chunk := file.read(min(left, _CHUNK))):
            left -= len(chunk)
            yield chunk


def tree_of(debs: Sequence[Path], scratch: Path) -> list[tuple[Entry, Content | bytes]]:
    """Return the tree of an image that has *debs*, in order of paths; *scratch* holds contents until they are read."""
    tree: Tree = {}
    links: dict[str, str] = {}
    controls: list[str] = []
    records: dict[str, bytes] = {"var/lib/dpkg/info/format": b"1\n"}
    for deb in debs:
        control = _control(deb)
        fields = parse_stanza(control["control"])
        suffix = f":{fields['Architecture']}" if fields.get("Multi-Arch") == "same" else ""
        record = f"var/lib/dpkg/info/{fields['Package']}{suffix}"
        controls.append(control["control"])
        records[f"{record}.list"] = _add_files(deb, scratch, tree, links).encode()
        records[f"{record}.md5sums"] = control.get("md5sums", "").encode()
    _link(tree, links)
    tree = _without_left_out(tree)
    records["var/lib/dpkg/status"] = status(controls).encode()
    _configure(tree, records)
    return [tree[entry.path] for entry in in_order(entry for entry, _ in tree.values())]


def _control(deb: Path) -> dict[str, str]:
    """Return the texts of the control files of *deb* by name."""
    with tarfile.open(fileobj=io.BytesIO(_dpkg("--ctrl-tarfile", deb, subprocess.PIPE))) as archive:
        return {
            member.name.removeprefix("./"): file.read().decode()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }


def _dpkg(what: str, deb: Path, out: IO[bytes] | int) -> bytes:
    """Let dpkg-deb write a tar of *deb* to *out*; return it if that is a pipe."""
    done = subprocess.run(["dpkg-deb", what, str(deb)], stdout=out, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise MachineError(f"dpkg-deb {what}: {done.stderr.decode(errors='replace').strip()}", where=str(deb))
    return done.stdout or b""


def _add_files(deb: Path, scratch: Path, tree: Tree, links: dict[str, str]) -> str:
    """Add the files of *deb* to *tree*, its hard links to *links*; return dpkg's list of its paths."""
    spool = scratch / f"{deb.stem}.tar"
    with spool.open("wb") as file:
        _dpkg("--fsys-tarfile", deb, file)
    paths = []
    with tarfile.open(spool, mode="r:") as archive:
        for member in archive:
            name = member.name.removeprefix("./").rstrip("/")
            paths.append(f"/{name}")
            path = usr_merged(checked_path(name)) if name not in {"", "."} else ""
            # A directory that is merged into /usr is a link there.
            if path and not (member.isdir() and path != name and "/" not in name):
                _add(tree, _entry(path, member, deb), Content(file=spool, offset=member.offset_data, size=member.size))
            if member.islnk():
                links[path] = usr_merged(checked_path(member.linkname))
    return "".join(f"{path if path != '/' else '/.'}\n" for path in paths)


def _entry(path: str, member: tarfile.TarInfo, deb: Path) -> Entry:
    kind = _KINDS.get(member.type)
    if kind is None:
        raise ContentError(f"{path} is neither file, link nor directory", where=deb.name)
    mode = 0o777 if kind == "symlink" else member.mode
    made = Entry(path=path, mode=mode, uid=member.uid, gid=member.gid, size=member.size, target=member.linkname)
    return made._replace(kind=kind)  # type: ignore[arg-type]


def _add(tree: Tree, entry: Entry, content: Content) -> None:
    """Add *entry*; a directory may be in many packages if they agree about it, anything else in one."""
    there = tree.get(entry.path)
    if there is not None and (entry.kind != "directory" or there[0] != entry):
        raise ContentError(f"two packages differ about {entry.path}: {there[0]} and {entry}")
    tree[entry.path] = entry, content


def _link(tree: Tree, links: Mapping[str, str]) -> None:
    """Make the first kept path of each hard-linked file the file, and the others links to it."""
    for target in set(links.values()):
        entry, content = tree[target]
        names = [target, *(path for path, other in links.items() if other == target)]
        first, *others = sorted(names, key=lambda path: (not is_kept(path), path.encode()))
        tree[first] = entry._replace(path=first), content
        for path in others:
            tree[path] = entry._replace(path=path, kind="hardlink", target=first, size=0), b""


def _without_left_out(tree: Tree) -> Tree:
    """Return *tree* without what the image leaves out, and without folders that are empty for that reason."""
    files = [path for path, (entry, _) in tree.items() if entry.kind != "directory" and is_kept(path)]
    needed = {parent for path in files for parent in parents(path)}
    return {
        path: (entry, content)
        for path, (entry, content) in tree.items()
        if (path in needed or is_kept(path) if entry.kind == "directory" else is_kept(path))
    }


def _configure(tree: Tree, records: Mapping[str, bytes]) -> None:
    """Do in *tree* what maintainer scripts would have done, and add dpkg's *records*."""
    merged = sorted({found[1] for path in tree if (found := re.match(rf"usr/({_MERGED.pattern})", path))})
    certificates = {
        path: _read(tree, path) for path in tree if re.fullmatch(r"usr/share/ca-certificates/.*\.crt", path)
    }
    texts = {
        **{path: _read(tree, source) for path, source in _COPIES.items()},
        **records,
        "etc/ld.so.cache": _library_cache(tree),
        "etc/ssl/certs/ca-certificates.crt": bundle(certificates),
    }
    made: list[tuple[Entry, bytes]] = [
        *((symlink(name, f"usr/{name}"), b"") for name in merged),
        *((symlink(path, target), b"") for path, target in _LINKS.items()),
        *((folder, b"") for folder in _FOLDERS),
        *((regular_file(path, len(text)), text) for path, text in texts.items()),
    ]
    for entry, content in made:
        for parent in parents(entry.path):
            tree.setdefault(parent, (directory(parent), b""))
        tree[entry.path] = entry, content


def _library_cache(tree: Tree) -> bytes:
    found = {path: match for path in tree if (match := re.fullmatch(r"usr/lib/([^/]+-linux-gnu)/([^/]+)", path))}
    (triplet,) = {match[1] for match in found.values()}
    targets = {match[2]: tree[path][0].target for path, match in found.items() if tree[path][0].kind != "directory"}
    return library_cache(triplet, library_names(targets))


def _read(tree: Tree, path: str) -> bytes:
    return b"".join(chunks(tree[path][1]))
