"""The Python of a base image, found as the kernel and CPython would find it, by reading files alone.

What `python3` on the config's PATH leads to, and the scheme that installers use with it: PEP 405 for virtual
environments, the distributions' own patches of `site` and `sysconfig` for Debian's and Fedora's Python,
sysconfig's `posix_prefix` for all others. No variable is believed but PATH, which says where the image itself
will look.
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from reprobuild.errors import LockError
from reprobuild.image.tree import Found, ImageTree
from reprobuild.lockfile import Interpreter, Libc
from reprobuild.oci.types import ImageConfig, Platform
from reprobuild.resolver.versions import elf_of, libc_version, python_version, stdlib_of

__all__ = ["Python", "find_interpreter", "is_kept", "is_program"]

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What container runtimes set where an image sets no PATH."""
_NAMES = ("python3", "python")
_PROGRAM = re.compile(
    r"(?:.*/)?(?:(?:platform-)?python(?:3(?:\.\d+)?)?[a-z]?|libpython3[^/]*\.so[^/]*"
    r"|libc(?:-2\.\d+)?\.so(?:\.6)?|ld-musl-[^/]*\.so\.1)"
)
_PROGRAMS = ("python", "platform-python", "libpython3", "libc", "ld-musl-")
"""What their names begin with: most files are told by that, in a part of the time."""
_KEPT = re.compile(
    r".*/python3\.\d+[a-z]?/(?:site\.py|sysconfig\.py|sysconfig/__init__\.py|patchlevel\.h)"
    r"|.*/pyvenv\.cfg"
    r"|.*/(?:site|dist)-packages/[^/]+(?:\.dist-info/(?:METADATA|RECORD)"
    r"|\.egg-info/(?:PKG-INFO|installed-files\.txt|top_level\.txt)|\.egg-info)"
)
_ENDS = (
    *("/site.py", "/sysconfig.py", "/sysconfig/__init__.py", "/patchlevel.h", "/pyvenv.cfg", "/METADATA", "/RECORD"),
    *("/PKG-INFO", "/installed-files.txt", "/top_level.txt", ".egg-info"),
)
"""What the paths of those end with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """A base image's Python: its version, its libc, the paths that wheels install into.

    ``sites`` are the directories it imports distributions from, first to last: its scheme's, then those that
    only the base's own package manager writes. ``stdlib`` is where its own modules are. ``remarks`` are for
    the user.
    """

    version: str
    libc: Libc
    interpreter: Interpreter
    stdlib: str
    sites: tuple[str, ...]
    remarks: tuple[str, ...]


def is_program(path: str) -> bool:
    """Say whether `find_interpreter` wants the file *path* scanned as an ELF file, by its name."""
    return path.rpartition("/")[2].startswith(_PROGRAMS) and _PROGRAM.fullmatch(path) is not None


def is_kept(path: str) -> bool:
    """Say whether `find_interpreter`, or who lists distributions, wants the contents of the file *path*."""
    return path.endswith(_ENDS) and _KEPT.fullmatch(path) is not None


def find_interpreter(tree: ImageTree, config: ImageConfig, platform: Platform, *, where: str) -> Python:
    """Return the Python that the image of *tree* and *config* runs on *platform*: the first `python3`, else `python`.

    Raises LockError, naming *where*, if there is none, if its bytes are for another machine, or if its version
    or that of its C library cannot be told from the files.
    """
    asked, found = _first(tree, config, where)
    elf = elf_of(found, platform, where=where)
    folder, environment = _environment(tree, asked)
    home = _home(tree, found, environment)
    version = python_version(tree, found, elf, home, where=where)
    minor = ".".join(version.split(".")[:2])
    stdlib = stdlib_of(tree, home, minor) or ""
    if environment:
        executable = f"{folder}/{posixpath.basename(asked)}"
        interpreter = _environment_scheme(environment, minor, executable=executable)
    else:
        interpreter = _vendor_scheme(tree, home, stdlib, minor, executable=f"/{found.path}")
    return Python(
        version=version,
        libc=libc_version(tree, found, elf, where=where),
        interpreter=interpreter,
        stdlib=stdlib,
        sites=_sites(interpreter, home, minor, within=bool(environment)),
        remarks=_remarks(tree, config, found, where),
    )


def _first(tree: ImageTree, config: ImageConfig, where: str) -> tuple[str, Found]:
    for name in _NAMES:
        for asked, found in _on_path(tree, config, name):
            return asked, found
    raise LockError(
        f"there is no python3 on its PATH, {_path(config)}",
        where=where,
        hint='choose a base image with Python in it, such as "docker.io/library/python:3.11-slim-bookworm"',
    )


def _on_path(tree: ImageTree, config: ImageConfig, name: str) -> Iterator[tuple[str, Found]]:
    """Yield what execvp(3) would try for *name*, and where it leads."""
    for folder in _path(config).split(":"):
        asked = posixpath.join(folder, name)
        found = tree.find(asked) if asked.startswith("/") else None
        if found is not None and found.node.kind == "file" and found.node.mode & 0o111:
            yield asked, found


def _path(config: ImageConfig) -> str:
    return config.env.get("PATH", _DEFAULT_PATH)


def _environment(tree: ImageTree, asked: str) -> tuple[str, str]:
    """Return the folder of *asked*, and the virtual environment that it belongs to (PEP 405), empty if to none."""
    found = tree.find(posixpath.dirname(asked))
    folder = f"/{found.path}" if found is not None else "/"
    prefix = posixpath.dirname(folder)
    return folder, prefix if prefix != "/" and tree.find(f"{prefix}/pyvenv.cfg") is not None else ""


def _home(tree: ImageTree, found: Found, environment: str) -> str:
    """Return the prefix of the installation that *found* is the executable of."""
    prefix = posixpath.dirname(posixpath.dirname("/" + found.path))
    if environment and prefix == environment:
        # A copied executable: only the environment says where the rest is.
        written = tree.find(f"{environment}/pyvenv.cfg")
        text = (written.node.content if written is not None else None) or b""
        if line := re.search(rb"^home\s*=\s*(/\S+)", text, re.MULTILINE):
            bin_folder = tree.find(line[1].decode("utf-8", "replace"))
            return "/" + posixpath.dirname(bin_folder.path) if bin_folder is not None else prefix
    return prefix.rstrip("/")


def _environment_scheme(prefix: str, minor: str, *, executable: str) -> Interpreter:
    site = f"{prefix}/lib/python{minor}/site-packages"
    return Interpreter(
        executable=executable,
        purelib=site,
        platlib=site,
        scripts=f"{prefix}/bin",
        include=f"{prefix}/include/site/python{minor}",
        data=prefix,
    )


def _vendor_scheme(tree: ImageTree, home: str, stdlib: str, minor: str, *, executable: str) -> Interpreter:
    """Return the scheme of an installation: where pip, run by root, would write."""
    debian = home == "/usr" and _says(tree, [f"{stdlib}/site.py"], b"dist-packages")
    sysconfig = [f"{stdlib}/sysconfig.py", f"{stdlib}/sysconfig/__init__.py"]
    fedora = home == "/usr" and _says(tree, sysconfig, b"rpm_prefix")
    prefix = "/usr/local" if debian or fedora else home
    site = "dist-packages" if debian else "site-packages"
    platform_lib = posixpath.basename(posixpath.dirname(stdlib))
    return Interpreter(
        executable=executable,
        purelib=f"{prefix}/lib/python{minor}/{site}",
        platlib=f"{prefix}/{platform_lib}/python{minor}/{site}",
        scripts=f"{prefix}/bin",
        include=f"{prefix}/include/python{minor}",
        data=prefix or "/",
    )


def _says(tree: ImageTree, paths: list[str], text: bytes) -> bool:
    """Say whether one of the modules *paths* holds *text*: how a distribution's patch is recognised."""
    contents = (found.node.content for path in paths if (found := tree.find(path)) is not None)
    return any(text in content for content in contents if content is not None)


def _sites(interpreter: Interpreter, home: str, minor: str, *, within: bool) -> tuple[str, ...]:
    """Return where distributions are imported from; *within* a virtual environment from nowhere else."""
    sites = [interpreter.purelib, interpreter.platlib]
    if not within:
        sites += [f"{home}/lib/python3/dist-packages", f"{home}/lib/python{minor}/site-packages"]
        sites += [f"{home}/lib64/python{minor}/site-packages"]
    return tuple(dict.fromkeys(sites))


def _remarks(tree: ImageTree, config: ImageConfig, found: Found, where: str) -> tuple[str, ...]:
    for _, other in _on_path(tree, config, "python"):
        if other.path == found.path:
            break
        return (f"{where}: python is /{other.path}, python3 is /{found.path}; the latter is used",)
    return ()
