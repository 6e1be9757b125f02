"""The section of base images: what the fleet stands on, whether it is pinned, and whether it has moved."""

from dataclasses import dataclass, field

from reprobuild.analysis.facts import Fleet
from reprobuild.analysis.page.markup import Markup, element
from reprobuild.analysis.page.section import Section
from reprobuild.analysis.page.subject import Subjects
from reprobuild.analysis.page.table import Cell, Column, Row, bar, names, table

__all__ = ["BaseUse", "bases_of", "bases_section"]


@dataclass(slots=True)
class BaseUse:
    """A base image: the connectors whose Dockerfile or image names it, and whether its tag leads elsewhere today."""

    connectors: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    same: set[str] = field(default_factory=set)


def bases_of(fleet: Fleet) -> dict[str, BaseUse]:
    """Return every base image that Dockerfiles or images of *fleet* name, the most used first."""
    uses: dict[str, BaseUse] = {}
    for file in fleet.dockerfiles:
        for reference in file.bases:
            uses.setdefault(reference, BaseUse()).connectors.add(file.connector)
    for image in fleet.images:
        if image.base:
            use = uses.setdefault(image.base, BaseUse())
            use.connectors.add(image.connector)
            if image.base_moved is not None:
                (use.moved if image.base_moved else use.same).add(image.connector)
    return dict(sorted(uses.items(), key=lambda item: (-len(item[1].connectors), item[0])))


def bases_section(subjects: Subjects) -> Section:
    """Return the section."""
    uses = bases_of(subjects.fleet)
    total = len(subjects.connectors)
    most = max((len(use.connectors) for use in uses.values()), default=0)
    rows = [
        Row(
            subjects=subjects.of_connectors(use.connectors),
            cells=(
                element("code", reference),
                bar(len(use.connectors), most),
                Cell(len(use.connectors), counts=True),
                _pinned(reference),
                _moved(use),
                names(sorted(use.connectors), total),
            ),
        )
        for reference, use in uses.items()
    ]
    columns = (
        Column("Base image"),
        Column("Share", "wide", sorts=False),
        Column("Connectors", "number"),
        Column("Named by"),
        Column("Since then"),
        Column("Which", "wide", sorts=False),
    )
    return Section(
        id="bases",
        title="Base images",
        lead="A tag leads to another image whenever somebody pushes it anew; a digest never does.",
        body=(table("Base images", columns, rows),),
        note=str(len(uses)),
        absent="" if rows else "no base image is known",
    )


def _pinned(reference: str) -> Markup:
    return element("span", "digest") if "@" in reference else element("span", "tag, may move", class_="differs")


def _moved(use: BaseUse) -> Cell:
    if use.moved:
        words = f"moved under {len(use.moved)} of {len(use.moved | use.same)}"
        return Cell(element("span", words, class_="differs"), key=-len(use.moved))
    return Cell(element("span", "unmoved" if use.same else "not known", class_="quiet"))
