"""Connectors without a folder: distributions that an index has, as the workspace's own table specifies them."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.errors import SpecificationError
from reprobuild.oci.types import Platform
from reprobuild.workspace.hook_settings import specified_hooks, specified_inputs, specified_secrets
from reprobuild.workspace.requirement import pinned
from reprobuild.workspace.settings import FOLDER_KEYS, Settings, file_sources
from reprobuild.workspace.toml_table import Table, suggestion
from reprobuild.workspace.types import DEFAULT_WORKDIR, ConnectorSpec, check_name

if TYPE_CHECKING:
    from reprobuild.workspace.connector_folder import Folder

__all__ = ["check_published", "published"]


def check_published(name: str, table: Table, settings: Settings, folders: Mapping[str, "Folder"]) -> None:
    """Raise SpecificationError unless *table* can be a connector that has none of *folders*."""
    check_name(name, "connector", table.where())
    if settings.requirements is None:
        hint = suggestion(name, folders) or f'add requirements = ["airbyte-{name}"], or its folder to `connectors`'
        raise SpecificationError("has neither requirements nor a folder", where=table.where(), hint=hint)
    for key in FOLDER_KEYS:
        if key in table.value:
            raise table.fault(key, "only a connector that has a folder can say this", hint="remove it")


def published(
    name: str, table: Table, settings: Settings, *, root: Path, base: str, platforms: tuple[Platform, ...]
) -> ConnectorSpec:
    """Return what *settings*, read from *table*, specify on *base* in the workspace *root*."""
    entrypoint = settings.entrypoint or (name,)
    requirements = settings.requirements or ()
    hooks = specified_hooks(settings.hooks, root, None)
    return ConnectorSpec(
        name=name,
        version=settings.version or _pinned_version(name, requirements),
        base=base,
        requirements=requirements,
        entrypoint=entrypoint,
        env={"AIRBYTE_ENTRYPOINT": shlex.join(entrypoint), **settings.env},
        labels=settings.labels,
        workdir=settings.workdir or DEFAULT_WORKDIR,
        user=settings.user,
        platforms=settings.platforms or platforms,
        root=root,
        sources=file_sources(settings),
        hooks=hooks,
        inputs=specified_inputs(settings.inputs, hooks, root),
        secrets=specified_secrets(settings.secrets, hooks, root),
        missing_libraries=settings.missing_libraries or (),
        where=table.where(),
    )


def _pinned_version(name: str, requirements: tuple[str, ...]) -> str | None:
    """Return the version of the distribution that is the connector, if it is pinned."""
    pins = [pin for pin in map(pinned, requirements) if pin is not None]
    own = [version for distribution, version in pins if distribution in {name, f"airbyte-{name}"}]
    if own or len(requirements) > 1:
        return own[0] if own else None
    return pins[0][1] if pins else None
