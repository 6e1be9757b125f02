"""What a workspace says of substituters: from where outputs are taken, whom to trust, and whether to push."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reprobuild.errors import SpecificationError
from reprobuild.oci.reference import RegistryReference
from reprobuild.workspace.registry_settings import parse_repository
from reprobuild.workspace.toml_table import Table

__all__ = ["Pushed", "SubstituterSpec", "read_substituters", "substituter_named"]

Pushed = Literal["nothing", "made", "all"]
"""What a build pushes: nothing, what it has made, or all of its images that did not come from there."""

_KEYS = ("repository", "keys", "push")
_HINT = 'write it like "ghcr.io/acme/reprobuild-outputs"'


@dataclass(frozen=True, slots=True, kw_only=True)
class SubstituterSpec:
    """A repository with outputs; ``keys`` are files of the public keys whose signatures are trusted."""

    host: str
    repository: str
    keys: tuple[Path, ...] = ()
    push: Pushed = "nothing"

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}"


def read_substituters(table: Table, root: Path) -> tuple[SubstituterSpec, ...]:
    """Return what the key ``substituter`` of *table*, that of the workspace *root*, says: a table, or several."""
    found = tuple(_substituter(inner, root) for inner in _tables(table))
    places = [str(one) for one in found]
    for place in places:
        if places.count(place) > 1:
            raise table.fault("substituter", f"{place} stands twice", hint="write it once, with all its keys")
    return found


def substituter_named(text: str, *, where: str) -> SubstituterSpec:
    """Return the repository that *text* names; raise SpecificationError, naming *where*, if it is none."""
    found = parse_repository(text)
    if found is None:
        raise SpecificationError(f"not a repository: {text[:100]!r}", where=where, hint=f"{_HINT}, without a tag")
    return _placed(found)


def _placed(reference: RegistryReference) -> SubstituterSpec:
    return SubstituterSpec(host=reference.host, repository=reference.repository)


def _tables(table: Table) -> Iterator[Table]:
    value = table.value.get("substituter")
    if isinstance(value, dict):
        yield Table(value, table.file, (*table.path, "substituter"))
        return
    for item in table.get("substituter", list) or ():
        if not isinstance(item, dict):
            hint = "write it like [[tool.reprobuild.substituter]]"
            raise table.fault("substituter", "must be a table, or a list of tables", hint=hint)
        yield Table(item, table.file, (*table.path, "substituter"))


def _substituter(table: Table, root: Path) -> SubstituterSpec:
    table.only(_KEYS)
    text = table.text("repository")
    if text is None:
        raise table.fault("repository", "is missing", hint=_HINT)
    place = substituter_named(text, where=table.where("repository"))
    keys = tuple(root / Path(file).expanduser() for file in table.texts("keys") or ())
    push: Pushed = "made" if table.get("push", bool) else "nothing"
    return SubstituterSpec(host=place.host, repository=place.repository, keys=keys, push=push)
