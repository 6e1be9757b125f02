"""The section of OS packages: what images have beyond their base, and what they have in another version."""

from collections.abc import Sequence

from reprobuild.analysis.facts import AddedPackage, ImageFacts, PackageFacts
from reprobuild.analysis.page.markup import element
from reprobuild.analysis.page.section import Section
from reprobuild.analysis.page.subject import Subjects
from reprobuild.analysis.page.table import Cell, Column, Row, bar, names, no_rows, table

__all__ = ["added_packages", "packages_section"]

_COLUMNS = (
    Column("Package"),
    Column("Kind"),
    Column("Version"),
    Column("In the base"),
    Column("Share", "wide", sorts=False),
    Column("Connectors", "number"),
    Column("Which", "wide", sorts=False),
)
Added = dict[tuple[str, str, str, str], list[ImageFacts]]
"""Kind, name, version and version of the base → the images."""


def added_packages(images: Sequence[ImageFacts]) -> Added:
    """Return the OS packages that *images* have beyond their bases, those of most connectors first."""
    found: Added = {}
    for image in images:
        for added in image.added or ():
            found.setdefault(_key(added, added.package), []).append(image)
    return dict(sorted(found.items(), key=lambda item: (-len(_connectors(item[1])), item[0])))


def packages_section(subjects: Subjects) -> Section:
    """Return the section."""
    images = subjects.fleet.images
    found = added_packages(images)
    total = len({image.connector for image in images})
    most = max((len(_connectors(members)) for members in found.values()), default=0)
    unread = sorted({image.connector for image in images if image.added is None})
    rows = [_row(subjects, key, members, most, total) for key, members in found.items()]
    note = element("p", f"Not compared, since their base was not read: {', '.join(unread)}.", class_="note")
    is_compared = any(image.added is not None for image in images)
    words = "No OS package was found that its base has not." if is_compared else "No base was read to compare with."
    return Section(
        id="os-packages",
        title="OS packages outside the base",
        lead="Packages of dpkg, apk and rpm that an image has and its base has not, or has in another version. One "
        "that no Dockerfile installs came with a tag that has moved since, and goes with the next build.",
        body=(
            table("OS packages outside the base", _COLUMNS, rows) if rows else no_rows(words),
            note if unread else None,
        ),
        note=str(len(found)),
        absent="" if images else "no image was read",
    )


def _row(
    subjects: Subjects, key: tuple[str, str, str, str], images: Sequence[ImageFacts], most: int, total: int
) -> Row:
    kind, name, version, before = key
    connectors = _connectors(images)
    return Row(
        subjects=subjects.of_images(images),
        cells=(
            element("code", name),
            kind,
            version,
            element("span", before, class_="differs") if before else element("span", "not there", class_="quiet"),
            bar(len(connectors), most),
            Cell(len(connectors), counts=True),
            names(connectors, total),
        ),
    )


def _key(added: AddedPackage, package: PackageFacts) -> tuple[str, str, str, str]:
    return package.kind, package.name, package.version, added.before


def _connectors(images: Sequence[ImageFacts]) -> list[str]:
    return sorted({image.connector for image in images})
