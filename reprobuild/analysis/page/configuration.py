"""The section of the configuration: how images start and as whom, and what their labels say."""

import shlex
from collections.abc import Iterator, Sequence

from reprobuild.analysis.facts import Fleet, ImageFacts
from reprobuild.analysis.page.markup import element
from reprobuild.analysis.page.section import Section
from reprobuild.analysis.page.subject import Subjects
from reprobuild.analysis.page.table import Cell, Column, Row, bar, names, table

__all__ = ["configuration_section", "properties_of"]

_COLUMNS = (
    Column("What"),
    Column("Value"),
    Column("Share", "wide", sorts=False),
    Column("Connectors", "number"),
    Column("Which", "wide", sorts=False),
)
_NOT_SET = "not set"
_ORDER = ("entrypoint", "command", "user", "workdir", "timezone", "labels", "platform")


def properties_of(fleet: Fleet) -> dict[tuple[str, str], list[str]]:
    """Return the values of each property of images, or of Dockerfiles if no image was read, with their connectors.

    An empty value is one that is not set. Labels count by name: what they say differs for each connector.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for connector, name, value in _of_images(fleet.images) if fleet.images else _of_dockerfiles(fleet):
        found.setdefault((name, value), set()).add(connector)
    ordered = sorted(found.items(), key=lambda item: (_ORDER.index(item[0][0]), -len(item[1]), item[0][1]))
    return {key: sorted(connectors) for key, connectors in ordered}


def configuration_section(subjects: Subjects) -> Section:
    """Return the section."""
    found = properties_of(subjects.fleet)
    total = len({name for connectors in found.values() for name in connectors})
    rows = [
        Row(
            subjects=subjects.of_connectors(connectors),
            cells=(
                Cell(name, key=_ORDER.index(name)),
                element("code", value) if value else element("span", _NOT_SET, class_="quiet"),
                bar(len(connectors), total),
                Cell(len(connectors), counts=True),
                names(connectors, total),
            ),
        )
        for (name, value), connectors in found.items()
    ]
    return Section(
        id="configuration",
        title="Configuration",
        lead="How containers start, as whom and where, and which labels they carry.",
        body=(table("Configuration", _COLUMNS, rows),),
        absent="" if rows else "nothing was read",
    )


def _of_images(images: Sequence[ImageFacts]) -> Iterator[tuple[str, str, str]]:
    for image in images:
        yield image.connector, "entrypoint", shlex.join(image.entrypoint)
        yield image.connector, "command", shlex.join(image.command)
        yield image.connector, "user", image.user
        yield image.connector, "workdir", image.workdir
        yield image.connector, "timezone", image.timezone
        yield from ((image.connector, "labels", label) for label in image.labels)
        yield image.connector, "platform", image.platform


def _of_dockerfiles(fleet: Fleet) -> Iterator[tuple[str, str, str]]:
    for file in fleet.dockerfiles:
        yield file.connector, "entrypoint", shlex.join(file.entrypoint)
        yield file.connector, "command", shlex.join(file.command)
        yield file.connector, "user", file.user
        yield file.connector, "workdir", file.workdir
        yield from ((file.connector, "labels", label) for label in file.labels)
