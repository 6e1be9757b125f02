"""What is installed in an image, from its files: system, C library, Python, distributions, packages, timezone."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reprobuild.analysis.facts import PackageFacts
from reprobuild.contract.facts import Facts
from reprobuild.contract.timezone import timezone_fault
from reprobuild.errors import LockError
from reprobuild.image.os_packages import OsPackage
from reprobuild.image.tree import ImageTree
from reprobuild.resolver.interpreter import Python, find_interpreter
from reprobuild.sbom.contents import installed, os_packages, os_release, readable
from reprobuild.sbom.distributions import Installed
from reprobuild.sbom.inventory import ReadImage

__all__ = ["Software", "is_localtime", "software_of"]

_LOCALTIME = "etc/localtime"
_ZONES = "usr/share/zoneinfo/"
_RULE = re.compile(rb"\n([!-~]{3,60})\n$")
_UPSTREAM = re.compile(r"(?:\d+:)?(\d+(?:\.\d+)+)")
_LIBRARIES = {"libc6": "glibc", "libc6-udeb": "glibc", "glibc": "glibc", "musl": "musl"}
"""Packages of C libraries: Debian's, Fedora's, and musl on Alpine and elsewhere."""
_DATABASES = {
    "var/lib/dpkg/status": re.compile(rb"(?m)\A(?=.*^Package:)(?=.*^Status: .* installed$)(?!.*^Version:)", re.DOTALL),
    "lib/apk/db/installed": re.compile(rb"(?m)\A(?=.*^P:)(?!.*^V:)", re.DOTALL),
}
"""The databases that are texts, and what fits a paragraph of a package that lacks its version."""
_VENDORED = re.compile(r"/_?vendor(?:ed)?/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """What was found; each field as `reprobuild.analysis.facts.ImageFacts` has it, *unread* included."""

    system: str
    libc: str
    timezone: str
    python: str
    distributions: tuple[PackageFacts, ...]
    os_packages: tuple[PackageFacts, ...]
    unread: tuple[str, ...]

    def version(self, name: str) -> str:
        """Return the version of the distribution *name* that an import finds; none if there is none."""
        return next((one.version for one in self.distributions if one.name == name), "")


def is_localtime(path: str) -> bool:
    """Say whether the stored *path* is that of the local time's rules, whose contents tell the timezone."""
    return path == _LOCALTIME


def software_of(image: ReadImage) -> Software:
    """Return what the files of *image* tell; nothing is executed."""
    unread = [readable(one) for one in image.unread]
    tree, packages = image.tree, _os_packages(image.tree, unread)
    found = list(installed(tree, unread))
    python = _python(image, unread, has_distributions=bool(found))
    release = os_release(tree)
    return Software(
        system=release.get("PRETTY_NAME") or " ".join(filter(None, map(release.get, ("NAME", "VERSION_ID")))),
        libc=_libc(packages, python, tree),
        timezone=_timezone(image.config.env, tree),
        python=python.version if python is not None else "",
        distributions=_distributions(found, _folders(image, python)),
        os_packages=packages,
        unread=tuple(sorted(dict.fromkeys(unread))),
    )


def _os_packages(tree: ImageTree, unread: list[str]) -> tuple[PackageFacts, ...]:
    found = os_packages(tree, unread)
    unread += _unreadable(tree, {one.database for one in found})
    return tuple(
        sorted(
            {
                PackageFacts(kind=one.kind, name=one.name, version=_version(one), architecture=one.architecture)
                for one in found
            },
            key=lambda one: (one.name, one.architecture, one.version, one.kind),
        )
    )


def _version(one: OsPackage) -> str:
    return f"{one.epoch}:{one.version}" if one.epoch else one.version


def _unreadable(tree: ImageTree, read: set[str]) -> Iterator[str]:
    """Yield the databases of which nothing, or not all, could be read."""
    for path, lacking in _DATABASES.items():
        found = tree.find(path)
        content = (found.node.content if found is not None else None) or b""
        if found is None or not content.strip():
            continue
        if found.path not in read:
            yield f"{path}: not a readable package database"
        elif b"\0" in content or not content.endswith(b"\n"):
            yield f"{path}: a damaged package database, of which some may be missing"
        elif count := sum(lacking.match(paragraph) is not None for paragraph in content.split(b"\n\n")):
            yield f"{path}: {count} without a version, not listed"


def _python(image: ReadImage, unread: list[str], *, has_distributions: bool) -> Python | None:
    """Return the Python that the image runs; None if it has none, or none that can be told."""
    try:
        return find_interpreter(image.tree, image.config, image.config.platform, where="its Python")
    except LockError as error:
        # An image need not have a Python. What is there for one says that it should.
        unread += [str(error)] if has_distributions else []
        return None


def _folders(image: ReadImage, python: Python | None) -> list[str]:
    """Return where Python imports distributions from, first to last, as the paths that are stored."""
    if python is None:
        return []
    own = (path for path in image.config.env.get("PYTHONPATH", "").split(":") if path.startswith("/"))
    found = (image.tree.find(path) for path in (*own, *python.sites))
    return list(dict.fromkeys(one.path for one in found if one is not None))


def _distributions(found: Sequence[Installed], folders: Sequence[str]) -> tuple[PackageFacts, ...]:
    """Return each distribution of *found* once, as an import finds it.

    Without a Python whose folders are known: all that are not parts of others.
    """
    chosen: dict[str, tuple[int, Installed]] = {}
    for one in found:
        folder = posixpath.dirname(one.path)
        folder = posixpath.dirname(folder) if one.path.endswith("/EGG-INFO") else folder
        if folders and folder not in folders:
            continue
        if not folders and _VENDORED.search(f"/{one.path}/"):
            continue
        rank = folders.index(folder) if folders else 0
        if one.name not in chosen or rank < chosen[one.name][0]:
            chosen[one.name] = rank, one
    return tuple(PackageFacts(kind="pypi", name=name, version=chosen[name][1].version) for name in sorted(chosen))


def _libc(packages: Sequence[PackageFacts], python: Python | None, tree: ImageTree) -> str:
    """Return the C library: what its package says, or Python's, or what a library itself says."""
    for one in packages:
        if (family := _LIBRARIES.get(one.name)) and (version := _UPSTREAM.match(one.version)):
            return f"{family} {version[1]}"
    if python is not None:
        return str(python.libc)
    libcs = {str(libc) for _, node in tree.walk() if node.elf is not None for libc in node.elf.libcs}
    return min(libcs) if len(libcs) == 1 else ""


def _timezone(environment: Mapping[str, str], tree: ImageTree) -> str:
    """Return the zone that the C library takes for local time: a name, or a rule (POSIX, TZ) where there is none."""
    if timezone_fault(Facts(env=environment, tree=tree), "UTC") is None:
        return "UTC"
    if zone := environment.get("TZ"):
        return zone.removeprefix(":").removeprefix(f"/{_ZONES}")
    folder = tree.find("etc")
    node = tree.get(f"{folder.path}/localtime") if folder is not None else None
    if node is not None and node.kind == "symlink":
        path = posixpath.normpath(posixpath.join("/etc", node.target))
        return path.removeprefix(f"/{_ZONES}")
    rule = _RULE.search((node.content if node is not None else None) or b"")
    return rule[1].decode() if rule else "unknown"
