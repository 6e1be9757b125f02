"""An sdist as its own files describe it: what builds it (PEP 517, PEP 518), and what the wheel of it has to be."""

import tarfile
import tomllib
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Any, BinaryIO
from zipfile import BadZipFile, ZipFile

from reprobuild.builder.canonical_wheel import dist_info
from reprobuild.builder.wheel import open_wheel
from reprobuild.builder.zip import checked_members, read_member
from reprobuild.errors import ContentError
from reprobuild.lockfile import normal_name
from reprobuild.target import Target

if TYPE_CHECKING:
    from packaging.tags import Tag

__all__ = ["BuildSystem", "check_built", "is_native", "is_pure", "read_build_system"]

_LEGACY = ("setuptools.build_meta:__legacy__", ("setuptools>=40.8.0",))
"""What PEP 517 and PEP 518 prescribe where an sdist does not say."""
_SMALL = 1024 * 1024
_LARGEST = 8 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    """The table ``build-system`` of an sdist: requirements (PEP 508), backend, and folders to find the backend in."""

    requires: tuple[str, ...]
    backend: str
    backend_path: tuple[str, ...] = ()


def read_build_system(file: BinaryIO, name: str) -> BuildSystem:
    """Return what builds the sdist *name* in *file*; nothing of it is executed.

    Raises ContentError for what is no sdist or says nonsense.
    """
    text = _pyproject(file, name)
    try:
        document = tomllib.loads(text.decode()) if text is not None else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContentError(f"its pyproject.toml is not TOML: {error}", where=name) from error
    table = document.get("build-system")
    backend, requires = _LEGACY
    if table is None:
        return BuildSystem(requires=requires, backend=backend)
    if not isinstance(table, dict) or "requires" not in table:
        raise ContentError("its [build-system] has no requires (PEP 518)", where=name)
    return BuildSystem(
        requires=_requirements(_texts(table, "requires", name), name),
        backend=_text(table, "build-backend", backend, name),
        backend_path=_texts(table, "backend-path", name),
    )


def check_built(file: BinaryIO, wheel: str, *, name: str, version: str, target: Target) -> None:
    """Raise ContentError unless the built *wheel* in *file* is of *name* and *version*, and runs on *target*."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename  # noqa: PLC0415
    from packaging.version import Version  # noqa: PLC0415

    hint = f"it cannot be locked as {name} {version}: put a wheel of it on an index of your own"
    try:
        named, numbered, _, tags = parse_wheel_filename(wheel)
    except InvalidWheelFilename as error:
        raise ContentError(f"the build made no wheel: {error}", where=wheel, hint=hint) from error
    said_name, said_version = _metadata(file, wheel)
    for what, found, wanted in (
        ("name", normal_name(named), name),
        ("name", normal_name(said_name), name),
        ("version", str(numbered), str(Version(version))),
        ("version", _normal_version(said_version), str(Version(version))),
    ):
        if found != wanted:
            raise ContentError(f"its {what} is {found!r}, that of the sdist is {wanted!r}", where=wheel, hint=hint)
    _check_tags(wheel, tags, target)


def is_pure(wheel: str) -> bool:
    """Say whether the wheel of that file name runs on every platform."""
    return wheel.removesuffix(".whl").endswith("-any")


def is_native(file: BinaryIO, wheel: str) -> bool:
    """Say whether the *wheel* in *file* holds a shared library or a program for a machine."""
    with open_wheel(file, wheel) as archive:
        for path in checked_members(archive, wheel):
            with archive.open(path) as member:
                if member.read(4) == b"\x7fELF":
                    return True
    return False


def _check_tags(wheel: str, tags: "Collection[Tag]", target: Target) -> None:
    if not set(tags) & set(target.tags):
        raise ContentError(
            f"it does not run on {target}",
            where=wheel,
            hint="the builder base has to have the Python of the base that it builds for",
        )
    claims = sorted(tag.platform for tag in tags if tag.platform.startswith(("manylinux", "musllinux")))
    if claims:
        raise ContentError(
            f"it claims to be {claims[0]}, which nobody has checked",
            where=wheel,
            hint="tell its backend to build for linux, or put a wheel of it on an index of your own",
        )


def _metadata(file: BinaryIO, wheel: str) -> tuple[str, str]:
    with open_wheel(file, wheel) as archive:
        members = checked_members(archive, wheel)
        data = read_member(archive, f"{dist_info(members, wheel)}/METADATA", wheel)
    headers = HeaderParser().parsestr(data.decode("utf-8", "replace"))
    return str(headers.get("Name", "")), str(headers.get("Version", ""))


def _normal_version(text: str) -> str:
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415

    try:
        return str(Version(text))
    except InvalidVersion:
        return text[:100]


def _pyproject(file: BinaryIO, name: str) -> bytes | None:
    """Return the bytes of the sdist's pyproject.toml; None if it has none."""
    try:
        return _zip_pyproject(file) if name.endswith(".zip") else _tar_pyproject(file, name)
    except (tarfile.TarError, BadZipFile, EOFError, OSError, ValueError, zlib.error, NotImplementedError) as error:
        raise ContentError(f"not a readable sdist: {str(error)[:200]}", where=name) from error


def _tar_pyproject(file: BinaryIO, name: str) -> bytes | None:
    read = 0
    with tarfile.open(fileobj=file) as archive:
        for member in archive:
            read += member.size
            if read > _LARGEST:
                raise ContentError("refused as a bomb: it unpacks to more than 8 GiB", where=name)
            if member.isfile() and _is_pyproject(member.name):
                content = archive.extractfile(member)
                return _small(b"" if content is None else content.read(_SMALL + 1), name)
    return None


def _zip_pyproject(file: BinaryIO) -> bytes | None:
    with ZipFile(file) as archive:
        for path in archive.namelist():
            if _is_pyproject(path):
                with archive.open(path) as content:
                    return _small(content.read(_SMALL + 1), path)
    return None


def _is_pyproject(path: str) -> bool:
    parts = path.removeprefix("./").split("/")
    return len(parts) == 2 and parts[1] == "pyproject.toml"


def _small(data: bytes, name: str) -> bytes:
    if len(data) > _SMALL:
        raise ContentError("its pyproject.toml is larger than 1 MiB", where=name)
    return data


def _text(table: Mapping[str, Any], key: str, default: str, name: str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str):
        raise ContentError(f"its build-system.{key} is not a string", where=name)
    return value


def _texts(table: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ContentError(f"its build-system.{key} is not a list of strings", where=name)
    return tuple(value)


def _requirements(texts: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return *texts* if all of them are requirements by name; a URL would be a place that no lock may name."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise ContentError(f"its build requirement {text[:100]!r} is none: {error}", where=name) from error
        if requirement.url is not None:
            raise ContentError(f"its build requirement {requirement.name} is a direct reference", where=name)
    return texts
