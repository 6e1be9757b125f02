"""A connector as it is before it is moved: its folder, its Dockerfile, its metadata, what it requires."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprobuild.analysis.connector_requirements import connector_requirements
from reprobuild.analysis.dockerfile import Dockerfile
from reprobuild.analysis.dockerfile_facts import dockerfile_facts, image_base
from reprobuild.analysis.dockerfile_reader import read_dockerfile
from reprobuild.analysis.facts import DockerfileFacts
from reprobuild.analysis.migration import ConnectorContents
from reprobuild.analysis.needless import installs_project
from reprobuild.analysis.shell_commands import commands
from reprobuild.errors import SpecificationError
from reprobuild.workspace.airbyte import METADATA, Metadata, read_metadata
from reprobuild.workspace.customization import main_file_name
from reprobuild.workspace.project import Project, read_project
from reprobuild.workspace.requirement import canonical_name

__all__ = ["ConnectorSource", "read_source"]

_CUSTOMIZATION = "build_customization.py"
_DEEPEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorSource:
    """What is known of a connector. *label* is its Dockerfile as a user would say, or its folder.

    *published* is the image that its metadata names, *old_base* what the Dockerfile builds on, *base_image* what the
    metadata says; each may be empty.
    """

    name: str
    label: str
    file: Path | None
    dockerfile: Dockerfile | None
    facts: DockerfileFacts | None
    contents: ConnectorContents
    published: str = ""
    old_base: str = ""
    base_image: str = ""


def read_source(folder: Path, root: Path, dockerfile: Path | None) -> ConnectorSource:
    """Return what is in *folder*, of the workspace *root*; *dockerfile* is a file elsewhere, None for the folder's.

    Raises SpecificationError, naming the file, for what cannot be read.
    """
    label = folder.relative_to(root).as_posix()
    metadata = read_metadata(folder / METADATA, f"{label}/{METADATA}") if (folder / METADATA).is_file() else None
    project = read_project(folder, label)
    name = metadata.name if metadata else project.name or canonical_name(folder.name)
    file = dockerfile or folder / "Dockerfile"
    if dockerfile is not None and not dockerfile.is_file():
        raise SpecificationError("there is no such file", where=str(dockerfile))
    found = _dockerfile(file, root) if file.is_file() else None
    facts = dockerfile_facts(found, connector=name, variant="") if found is not None else None
    return ConnectorSource(
        name=name,
        label=found.path if found is not None else label,
        file=file if found is not None else None,
        dockerfile=found,
        facts=facts,
        contents=_contents(folder, label, name, project, metadata, _installed(found, facts)),
        published=f"{metadata.repository}:{metadata.tag}" if metadata else "",
        old_base=image_base(found) if found is not None else "",
        base_image=(metadata.base_image or "") if metadata else "",
    )


def _dockerfile(file: Path, root: Path) -> Dockerfile:
    label = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
    try:
        return read_dockerfile(file.read_bytes(), label)
    except OSError as error:
        raise SpecificationError(error.strerror or str(error), where=label) from error


def _installed(dockerfile: Dockerfile | None, facts: DockerfileFacts | None) -> Sequence[str] | None:
    """Return what *dockerfile* installs, a dot for the folder itself, which other tools than pip do not name."""
    if dockerfile is None or facts is None:
        return None
    runs = [one for stage in dockerfile.stages for one in stage.instructions if one.keyword == "RUN"]
    whole = any(installs_project([one.words] if one.is_json else commands(one.text)) for one in runs)
    return [*facts.pip_installs, *(["."] if whole else [])]


def _contents(
    folder: Path, label: str, name: str, project: Project, metadata: Metadata | None, installed: Sequence[str] | None
) -> ConnectorContents:
    files, folders = set[str](), set[str]()
    for depth in range(1, _DEEPEST + 1):
        for path in folder.glob("/".join(["*"] * depth)):
            (folders if path.is_dir() else files).add(path.relative_to(folder).as_posix())
    # Without a Dockerfile there is nothing to migrate, only to check.
    requires = connector_requirements(folder, label, project, installed) if installed is not None else None
    customization = folder / _CUSTOMIZATION
    main = main_file_name(customization, f"{label}/{_CUSTOMIZATION}") if customization.is_file() else None
    return ConnectorContents(
        name=name,
        files=frozenset(files),
        folders=frozenset(folders),
        requires=requires.found if requires is not None else None,
        has_own_requirements=requires is not None and requires.is_own,
        labels=metadata.labels if metadata else {},
        main=main or "main.py",
    )
