"""Workspace: what `[tool.reprobuild]` of a `pyproject.toml`, or `reprobuild.toml`, and connectors' folders specify.

Reading is strict: what nobody would heed is refused with its file, its key path and the likely fix (design §5).
It is also light, because every build begins with it.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.builder.compress import Compression
from reprobuild.engine_names import ENGINES
from reprobuild.errors import SpecificationError
from reprobuild.failures import Failures, kept
from reprobuild.oci.types import Platform
from reprobuild.workspace.base_spec import base_name, check_builders, implicit_bases, read_bases
from reprobuild.workspace.published import check_published, published
from reprobuild.workspace.registry_settings import read_namespace, read_registries
from reprobuild.workspace.requirement import normal_requirements
from reprobuild.workspace.settings import (
    CONNECTOR_KEYS,
    FOLDER_KEYS,
    Settings,
    overlaid,
    read_platforms,
    read_settings,
)
from reprobuild.workspace.toml_table import Table, parse_toml, read_text
from reprobuild.workspace.types import (
    DEFAULT_EPOCH,
    OWN_FILE,
    PYPROJECT,
    BaseSpec,
    Bytecode,
    ConnectorSpec,
    Source,
    Workspace,
    check_name,
)

if TYPE_CHECKING:
    from reprobuild.workspace.connector_folder import Folder
    from reprobuild.workspace.substituters import SubstituterSpec

__all__ = [
    "DEFAULT_EPOCH",
    "BaseSpec",
    "ConnectorSpec",
    "Source",
    "Workspace",
    "find_workspace",
    "read_workspace",
    "workspace_table",
]

_PLATFORMS = (Platform(os="linux", architecture="amd64"), Platform(os="linux", architecture="arm64"))

_OWN_KEYS = (
    *("connectors", "connector", "epoch", "compression", "bytecode", "build-constraints"),
    *("insecure-registries", "registry", "namespace", "substituter", "engine"),
)
_KEYS = ("platforms", "base", *_OWN_KEYS)
_ELSEWHERE = dict.fromkeys(
    (*CONNECTOR_KEYS, *FOLDER_KEYS),
    "this key belongs to a connector: [tool.reprobuild.connector.NAME], or its folder's own table",
)
_COMPRESSIONS: tuple[Compression, ...] = ("gzip", "zstd")
_BYTECODES: tuple[Bytecode, ...] = ("none", "unchecked-hash")
_LATEST_EPOCH = 8**11 - 1
"""What a tar header can hold."""


def find_workspace(start: Path) -> Path:
    """Return the nearest folder, from *start* upwards, that holds a workspace; raise SpecificationError if none does.

    A connector's own table does not make its folder a workspace.
    """
    start = start.absolute()
    doubtful = []
    for folder in (start, *start.parents):
        table = workspace_table(folder)
        if table is not None and _is_workspace(table):
            return folder
        if table is not None and not table.value.keys() & {*CONNECTOR_KEYS, *FOLDER_KEYS}:
            doubtful.append(folder)
    if doubtful:
        return doubtful[0]
    raise _no_workspace(f"{start} and the folders above it have no workspace")


def workspace_table(folder: Path) -> Table | None:
    """Return the table that *folder* has for reprobuild, its workspace's or its connector's, if it has one.

    Raises SpecificationError if it has two, or if the file that holds it is not TOML.
    """
    tables = []
    pyproject, own = folder / PYPROJECT, folder / OWN_FILE
    if pyproject.is_file() and "reprobuild" in (text := read_text(pyproject, PYPROJECT)):
        tool = Table(parse_toml(text, PYPROJECT), PYPROJECT).table("tool")
        table = tool.table("reprobuild") if tool else None
        tables += [table] if table else []
    if own.is_file():
        tables.append(Table(parse_toml(read_text(own, OWN_FILE), OWN_FILE), OWN_FILE))
    if len(tables) == 2:
        raise SpecificationError(
            f"both {OWN_FILE} and [tool.reprobuild] of {PYPROJECT} are there",
            where=str(folder),
            hint="move everything into one of them, and remove the other",
        )
    return tables[0] if tables else None


def read_workspace(root: Path, failures: Failures | None = None) -> Workspace:
    """Return what is specified in the folder *root*; raise SpecificationError with place and fix of the first fault.

    With *failures*, what is wrong with one connector alone is kept there, and the connector is left out. One whose
    folder does not even say its name goes by the folder's.
    """
    root = root.absolute()
    table = workspace_table(root)
    if table is None:
        raise _no_workspace(f"{root} has no workspace")
    table.only(_KEYS, _ELSEWHERE)
    platforms = read_platforms(table) or _PLATFORMS
    bases, connectors = _connectors(root, table, platforms, failures)
    return Workspace(
        root=root,
        platforms=platforms,
        bases=dict(sorted(bases.items())),
        connectors=dict(sorted(connectors.items())),
        epoch=_epoch(table),
        compression=_compression(table),
        bytecode=_bytecode(table),
        registries=read_registries(table, root),
        build_constraints=_build_constraints(table),
        substituters=_substituters(table, root),
        engine=_engine(table),
        where=table.where(),
    )


def _is_workspace(table: Table) -> bool:
    return bool(table.value.keys() & set(_OWN_KEYS)) or isinstance(table.value.get("base"), dict)


def _no_workspace(why: str) -> SpecificationError:
    return SpecificationError(why, hint="run `reprobuild init`, which writes a first specification")


def _connectors(
    root: Path, table: Table, platforms: tuple[Platform, ...], failures: Failures | None
) -> tuple[dict[str, BaseSpec], dict[str, ConnectorSpec]]:
    """Return the bases, those that metadata names among them, and the connectors."""
    defined = read_bases(table)
    folders = _folders(root, table, failures) if "connectors" in table.value else {}
    said: dict[str, tuple[Table, Settings]] = {}
    for name, inner in table.tables("connector"):
        with kept(failures, name):
            said[name] = (inner, read_settings(inner))
    settings = {
        name: overlaid(folder.settings, said[name][1] if name in said else Settings())
        for name, folder in folders.items()
    }
    bases = defined | implicit_bases(folders, settings, defined, failures)
    check_builders(bases)
    connectors = {}
    namespace = read_namespace(table)
    for name, folder in folders.items():
        from reprobuild.workspace.connector_folder import folder_connector  # noqa: PLC0415

        if failures and name in failures:
            continue
        with kept(failures, name):
            base = base_name(settings[name], folder, folder.where, defined, bases)
            connector = folder_connector(folder, settings[name], base=base, platforms=platforms)
            connectors[name] = _placed(connector, settings[name], namespace, folder)
    for name, (inner, own) in said.items():
        if name not in folders and not (failures and name in failures):
            with kept(failures, name):
                check_published(name, inner, own, folders)
                base = base_name(own, None, inner.where(), defined, bases)
                connector = published(name, inner, own, root=root, base=base, platforms=platforms)
                connectors[name] = _placed(connector, own, namespace)
    return bases, connectors


def _folders(root: Path, table: Table, failures: Failures | None) -> dict[str, "Folder"]:
    # Reading folders brings Poetry's, Airbyte's and requirements.txt's rules along; many workspaces have none.
    from reprobuild.workspace.connector_folder import find_folders, read_folder  # noqa: PLC0415

    found: dict[str, Folder] = {}
    for path, named in find_folders(root, table):
        folder = None
        with kept(failures, path.name):
            folder = read_folder(path, root, named=named)
        if folder is None:
            continue
        with kept(failures, folder.name):
            check_name(folder.name, "connector", folder.where)
            other = found.setdefault(folder.name, folder)
            if other is not folder:
                raise _namesake(folder, other, table)
    return found


def _namesake(folder: "Folder", other: "Folder", table: Table) -> SpecificationError:
    return SpecificationError(
        f"two connectors are called {folder.name}: in {other.label} and in {folder.label}",
        where=table.where("connectors"),
        hint="rename one (data.dockerRepository in metadata.yaml, else the project's name)",
    )


def _placed(
    connector: ConnectorSpec, settings: Settings, namespace: str | None, folder: "Folder | None" = None
) -> ConnectorSpec:
    """Return *connector* with the repository it is pushed to: its own, one below *namespace*, or its metadata's."""
    named = folder.metadata.repository if folder is not None and folder.metadata is not None else None
    repository = settings.repository or (f"{namespace}/{connector.name}" if namespace else named)
    return replace(connector, repository=repository) if repository else connector


def _engine(table: Table) -> str | None:
    engine = table.get("engine", str)
    if engine is not None and engine not in ENGINES:
        raise table.fault("engine", f"there is no engine {engine!r}", hint=f"known: {', '.join(ENGINES)}")
    return engine


def _epoch(table: Table) -> int:
    epoch = table.get("epoch", int)
    if epoch is not None and not 0 <= epoch <= _LATEST_EPOCH:
        raise table.fault(
            "epoch", f"not a time in seconds since 1970: {epoch}", hint=f"leave it out for {DEFAULT_EPOCH}"
        )
    return DEFAULT_EPOCH if epoch is None else epoch


def _compression(table: Table) -> Compression:
    text = table.text("compression") or "gzip"
    for known in _COMPRESSIONS:
        if text == known:
            return known
    raise table.fault("compression", f"there is no {text[:100]!r}", hint='write "gzip" or "zstd"')


def _bytecode(table: Table) -> Bytecode:
    text = table.text("bytecode") or "none"
    for known in _BYTECODES:
        if text == known:
            return known
    raise table.fault("bytecode", f"there is no {text[:100]!r}", hint='write "none" or "unchecked-hash"')


def _build_constraints(table: Table) -> tuple[str, ...]:
    return normal_requirements(table.texts("build-constraints") or (), where=table.where("build-constraints"))


def _substituters(table: Table, root: Path) -> "tuple[SubstituterSpec, ...]":
    if "substituter" not in table.value:
        return ()
    from reprobuild.workspace.substituters import read_substituters  # noqa: PLC0415 - many workspaces have none

    return read_substituters(table, root)
