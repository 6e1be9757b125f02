"""The section of what is missing: what could not be read, and why."""

from reprobuild.analysis.page.markup import element
from reprobuild.analysis.page.section import Section
from reprobuild.analysis.page.subject import Subjects
from reprobuild.analysis.page.table import Column, Row, no_rows, table

__all__ = ["unread_section"]

_COLUMNS = (Column("What"), Column("Why"), Column("What to do"))


def unread_section(subjects: Subjects) -> Section:
    """Return the section: what is missing as a whole, and parts of images that could not be read."""
    fleet = subjects.fleet
    whole = [Row(subjects="", cells=(element("code", one.name), one.why, one.hint)) for one in fleet.missing]
    parts = [
        Row(
            subjects=subjects.of_images([image]),
            cells=(f"{image.connector} {image.platform}", why, "the rest of the image was read"),
        )
        for image in fleet.images
        for why in image.unread
    ]
    rows = [*whole, *parts]
    nothing = no_rows("Everything that was asked for was read.")
    return Section(
        id="missing",
        title="Missing",
        lead="What could not be read, and why. All else in this report stands without it.",
        body=(table("What could not be read", _COLUMNS, rows) if rows else nothing,),
        note=str(len(rows)),
    )
