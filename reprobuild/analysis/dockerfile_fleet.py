"""The Dockerfiles of a fleet, read, grouped and scored. What cannot be read is missing, and said to be."""

from collections.abc import Sequence
from pathlib import Path

from reprobuild.analysis.connector_files import ConnectorFile, Wanted, connector_metadata, find_dockerfiles
from reprobuild.analysis.dockerfile_facts import dockerfile_facts
from reprobuild.analysis.dockerfile_reader import parse_dockerfile
from reprobuild.analysis.dockerfile_text import read_text
from reprobuild.analysis.facts import DockerfileFacts, Fleet, Missing
from reprobuild.analysis.score import scores_of
from reprobuild.analysis.variants import normalised, variants
from reprobuild.errors import ReprobuildError, SpecificationError
from reprobuild.workspace.airbyte import Metadata

__all__ = ["dockerfile_fleet"]

_LARGEST = 8 * 1024 * 1024


def dockerfile_fleet(paths: Sequence[Path], root: Path, wanted: Wanted) -> Fleet:
    """Return what the Dockerfiles at and below *paths* say, of connectors that are *wanted*.

    Raises SpecificationError for a path that is not there, and where there is no Dockerfile at all.
    """
    found: list[tuple[DockerfileFacts, str]] = []
    missing: list[Missing] = []
    files = find_dockerfiles(paths, root)
    if not files:
        hint = "name Dockerfiles, or folders with files called Dockerfile, Containerfile, Dockerfile.* or *.Dockerfile"
        raise SpecificationError("there is no Dockerfile", where=" ".join(map(str, paths)), hint=hint)
    for one in files:
        metadata, fault = connector_metadata(one.file.parent, str(Path(one.path).parent))
        if fault is not None:
            missing.append(fault)
        if (reason := wanted.refuses(metadata)) is not None:
            missing += [Missing(name=one.path, why=reason, hint="or leave the filters out")] if reason else []
            continue
        try:
            found.append(_read(one, metadata))
        except ReprobuildError as error:
            why = error.message
            missing.append(Missing(name=error.where or one.path, why=why, hint=error.hint or ""))
        except OSError as error:
            missing.append(Missing(name=one.path, why=error.strerror or str(error)))
    facts = tuple(sorted((facts for facts, _ in found), key=lambda file: (file.connector, file.path)))
    return Fleet(dockerfiles=facts, variants=variants(found), scores=scores_of(facts, ()), missing=tuple(missing))


def _read(one: ConnectorFile, metadata: Metadata | None) -> tuple[DockerfileFacts, str]:
    """Return what the Dockerfile says, and its normalised text."""
    with one.file.open("rb") as stream:
        text = read_text(stream.read(_LARGEST), one.path)
    plain, dockerfile = normalised(text, one.name.partition("/")[0]), parse_dockerfile(text)
    facts = dockerfile_facts(
        dockerfile,
        connector=one.name,
        variant=plain.digest,
        language=", ".join(sorted(metadata.languages)) if metadata else "",
        support_level=metadata.support_level if metadata else "",
    )
    return facts, plain.text
