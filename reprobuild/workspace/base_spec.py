"""Base images of a workspace: those that it defines, those that metadata files name, and which a connector gets."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from reprobuild.errors import SpecificationError
from reprobuild.failures import Failures, kept
from reprobuild.oci.reference import parse_reference
from reprobuild.workspace.settings import Settings, read_env
from reprobuild.workspace.toml_table import Table, suggestion
from reprobuild.workspace.types import BaseSpec, check_name

if TYPE_CHECKING:
    from reprobuild.workspace.connector_folder import Folder

__all__ = ["base_name", "check_builders", "implicit_bases", "read_bases"]

_KEYS = ("image", "pip", "timezone", "env", "builder", "expect")
_EXPECTED = (
    *("profile", "timezone", "python", "pip", "user", "as", "readable", "writable", "not-writable"),
    *("env", "env-present", "labels", "entrypoint", "commands", "os-packages"),
)
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*(?:(?:a|b|rc|\.post|\.dev)[0-9]+)*")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")


def read_bases(table: Table) -> dict[str, BaseSpec]:
    """Return the bases that the key ``base`` of *table*, a workspace's, defines."""
    return {name: _base(name, base) for name, base in table.tables("base")}


def implicit_bases(
    folders: Mapping[str, "Folder"],
    settings: Mapping[str, Settings],
    defined: Mapping[str, BaseSpec],
    failures: Failures | None = None,
) -> dict[str, BaseSpec]:
    """Return the bases that metadata files name where no table says another; *failures* keeps what is wrong in one."""
    found: dict[str, BaseSpec] = {}
    for name, folder in folders.items():
        with kept(failures, name):
            base = _named(folder) if settings[name].base is None else None
            if base is None:
                continue
            check_name(base.name, "base", base.where)
            other = defined.get(base.name) or found.setdefault(base.name, base)
            if other.image != base.image:
                raise SpecificationError(
                    f"the base {base.name} is {base.image} here, and {other.image} in {other.where}",
                    where=base.where,
                    hint="give both the same image, or name another base with `base` in [tool.reprobuild]",
                )
    return found


def check_builders(bases: Mapping[str, BaseSpec]) -> None:
    """Raise SpecificationError if one of *bases* names a builder that is none of them."""
    for base in bases.values():
        if base.builder is not None and base.builder not in bases:
            hint = suggestion(base.builder, bases) or f"defined: {', '.join(sorted(bases))}"
            raise SpecificationError(f"there is no base {base.builder!r}", where=f"{base.where}.builder", hint=hint)


def base_name(
    settings: Settings,
    folder: "Folder | None",
    where: str,
    defined: Mapping[str, BaseSpec],
    bases: Mapping[str, BaseSpec],
) -> str:
    """Return the base that the settings name, or else the metadata, or else the only one that is no mere builder."""
    if settings.base is not None:
        if settings.base not in bases:
            hint = suggestion(settings.base, bases) or f"defined: {', '.join(sorted(bases)) or 'none'}"
            raise SpecificationError(f"there is no base {settings.base!r}", where=settings.places["base"], hint=hint)
        return settings.base
    implicit = _named(folder) if folder else None
    if implicit is not None:
        return implicit.name
    builders = {base.builder for base in defined.values() if base.builder != base.name}
    found = list(defined.keys() - builders) if len(defined) > 1 else list(defined)
    if len(found) == 1:
        return found[0]
    if defined:
        raise SpecificationError("names no base", where=where, hint=f"set base to one of {', '.join(sorted(defined))}")
    raise SpecificationError(
        "names no base, and the workspace defines none",
        where=where,
        hint='add [tool.reprobuild.base."python-3.11"] with image = "docker.io/library/python:3.11-slim-bookworm"',
    )


def _named(folder: "Folder") -> BaseSpec | None:
    """Return the base that the metadata of *folder* names, if it has any."""
    if folder.metadata is None:
        return None
    from reprobuild.workspace.airbyte import metadata_base  # noqa: PLC0415 - many workspaces have no metadata

    return metadata_base(folder.metadata)


def _base(name: str, table: Table) -> BaseSpec:
    check_name(name, "base", table.where())
    table.only(_KEYS)
    image, pip, timezone = table.text("image"), table.text("pip"), table.text("timezone")
    if image is None:
        raise table.fault("image", "is missing", hint='write it like "docker.io/library/python:3.11-slim-bookworm"')
    if pip is not None and _VERSION.fullmatch(pip) is None:
        raise table.fault("pip", f"not one version: {pip[:100]!r}", hint='write it like "25.3"')
    if timezone is not None and _ZONE.fullmatch(timezone) is None:
        raise table.fault("timezone", f"not a timezone: {timezone[:100]!r}", hint='write it like "UTC"')
    reference = parse_reference(image, where=table.where("image"))
    return BaseSpec(
        name=name,
        image=reference,
        pip=pip,
        timezone=timezone,
        env=read_env(table),
        builder=table.text("builder"),
        contract=_contract(table),
        where=table.where(),
    )


def _contract(table: Table) -> Table | None:
    """Return the table of the base's contract, of which only the keys are looked at here."""
    contract = table.table("expect")
    if contract is not None:
        contract.only(_EXPECTED)
    return contract
