"""An Airbyte connector's `metadata.yaml`: its name, version and base image.

Of the file only what an image needs is read. Scalars are taken as they are written, because YAML's own rules
would make 1.1 of the tag 1.10.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprobuild.errors import SpecificationError
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.workspace.toml_table import read_text
from reprobuild.workspace.types import BaseSpec

__all__ = ["METADATA", "Metadata", "metadata_base", "parse_metadata", "read_metadata"]

METADATA = "metadata.yaml"
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_NOTHING = frozenset({"", "~", "null"})
_DEEPEST = 64
_PYTHON = frozenset({"python", "low-code"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What the file says: the image's repository and tag, the base image if there is one, and the languages.

    ``languages`` are the tags ``language:…`` without that word, ``support_level`` is such as ``certified``, or empty.
    ``where`` is the file.
    """

    repository: str
    tag: str
    base_image: str | None
    languages: frozenset[str]
    where: str
    support_level: str = ""

    @property
    def name(self) -> str:
        """The connector's name: the repository's last part."""
        return self.repository.rpartition("/")[2]

    @property
    def is_python(self) -> bool:
        """Whether the file says that it is written in Python."""
        return bool(self.languages & _PYTHON)

    @property
    def labels(self) -> dict[str, str]:
        """The labels that Airbyte's platform reads."""
        return {"io.airbyte.name": self.repository, "io.airbyte.version": self.tag}


def read_metadata(path: Path, file: str) -> Metadata:
    """Return what *path* says, which errors call *file*; raise SpecificationError with the key path of a fault."""
    return parse_metadata(read_text(path, file), file)


def parse_metadata(text: str, file: str) -> Metadata:
    """Return what *text*, the contents of *file*, says."""
    data = _mapping(_document(text, file), "data", file)
    options = _mapping(data, "connectorBuildOptions", file, of="data.", required=False)
    repository = _text(data, "dockerRepository", file, of="data.")
    tag = _text(data, "dockerImageTag", file, of="data.")
    if repository is None or tag is None:
        key = "dockerImageTag" if repository else "dockerRepository"
        raise SpecificationError("is missing", where=f"{file}: data.{key}", hint="every Airbyte connector has it")
    if _TAG.fullmatch(tag) is None:
        raise SpecificationError(f"not a tag: {tag[:100]!r}", where=f"{file}: data.dockerImageTag")
    return Metadata(
        repository=repository,
        tag=tag,
        base_image=_text(options, "baseImage", file, of="data.connectorBuildOptions."),
        languages=_languages(data.get("tags")),
        where=file,
        support_level=_text(data, "supportLevel", file, of="data.") or "",
    )


def metadata_base(metadata: Metadata) -> BaseSpec | None:
    """Return the base image that *metadata* names, called after its repository and tag, if it names one."""
    if metadata.base_image is None:
        return None
    where = f"{metadata.where}: data.connectorBuildOptions.baseImage"
    image = parse_reference(metadata.base_image, where=where)
    if not isinstance(image, RegistryReference):
        raise SpecificationError(f"not in a registry: {image}", where=where)
    last = image.repository.rpartition("/")[2]
    name = re.sub(r"[^a-z0-9._-]", "-", f"{last}-{image.tag}".lower() if image.tag else last)
    return BaseSpec(name=name.rstrip("._-"), image=image, where=where)


def _document(text: str, file: str) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 - only connectors of Airbyte's need it

    # libyaml's loader crashes on deep nesting, its parser does not.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            starts = isinstance(event, yaml.events.CollectionStartEvent)
            depth += starts - isinstance(event, yaml.events.CollectionEndEvent)
            if depth > _DEEPEST:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise SpecificationError("is nested too deeply", where=f"{file}, line {line}")
        value = yaml.load(text, Loader=loader)  # noqa: S506 - makes strings, lists and mappings only
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}, line {mark.line + 1}" if mark else file
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise SpecificationError(f"not YAML: {why}", where=where, hint="mend that line") from error
    if not isinstance(value, dict):
        raise SpecificationError("not a mapping", where=file, hint="a connector's metadata.yaml has the key data")
    return value


def _mapping(
    value: Mapping[str, Any], key: str, file: str, *, of: str = "", required: bool = True
) -> Mapping[str, Any]:
    inner = value.get(key)
    if isinstance(inner, dict):
        return inner
    if inner is None or (isinstance(inner, str) and inner in _NOTHING):
        if required:
            raise SpecificationError("is missing", where=f"{file}: {of}{key}")
        return {}
    raise SpecificationError("must be a mapping", where=f"{file}: {of}{key}")


def _text(value: Mapping[str, Any], key: str, file: str, *, of: str) -> str | None:
    text = value.get(key)
    if text is None or (isinstance(text, str) and text in _NOTHING):
        return None
    if not isinstance(text, str) or not text.isprintable():
        raise SpecificationError("must be a string", where=f"{file}: {of}{key}")
    return text


def _languages(tags: object) -> frozenset[str]:
    items = tags if isinstance(tags, list) else []
    return frozenset(tag.partition(":")[2] for tag in items if isinstance(tag, str) and tag.startswith("language:"))
