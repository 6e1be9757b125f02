"""A section of the page: what it is called, what it says at once, and what it shows."""

from dataclasses import dataclass

from reprobuild.analysis.page.markup import Child, Markup, element

__all__ = ["Section"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page with a heading; *note* is beside the name in the list of sections, such as ``14``.

    *absent* says why there is nothing to show, of what nobody has read: the section is then left out.
    """

    id: str
    title: str
    lead: str
    body: tuple[Child, ...]
    note: str = ""
    absent: str = ""

    def html(self) -> Markup:
        """Return the section as an element."""
        heading = f"{self.id}-heading"
        return element(
            "section",
            element("h2", self.title, id=heading),
            element("p", self.lead, class_="lead") if self.lead else None,
            *self.body,
            id=self.id,
            aria_labelledby=heading,
        )
