"""A fleet as one HTML page that can be handed around: no network, and nothing of others' texts is ever HTML or script.

The page's policy (CSP level 3) allows the one style and the one script that are in it, by their hashes, and nothing
else. Equal fleets give equal bytes: the page says a date only if it is given one.
"""

import base64
import hashlib
import json
from importlib.resources import files
from string import Template

from reprobuild.analysis.facts import Fleet
from reprobuild.analysis.page.bases import bases_section
from reprobuild.analysis.page.configuration import configuration_section
from reprobuild.analysis.page.environment import environment_section
from reprobuild.analysis.page.markup import Markup, element, joined, visible
from reprobuild.analysis.page.packages import packages_section
from reprobuild.analysis.page.scores import scores_section
from reprobuild.analysis.page.section import Section
from reprobuild.analysis.page.sizes import sizes_section
from reprobuild.analysis.page.subject import Subjects
from reprobuild.analysis.page.summary import summary
from reprobuild.analysis.page.unread import unread_section
from reprobuild.analysis.page.variants import variants_section
from reprobuild.analysis.page.versions import versions_section

__all__ = ["fleet_page"]

_SECTIONS = (
    *(scores_section, variants_section, bases_section, versions_section, environment_section, packages_section),
    *(sizes_section, configuration_section, unread_section),
)
_IN_SCRIPT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def fleet_page(fleet: Fleet, *, title: str = "A fleet of connectors", date: str = "") -> str:
    """Return the page of *fleet*, in UTF-8; *date* is shown as it is given."""
    subjects = Subjects(fleet)
    made = [make(subjects) for make in _SECTIONS]
    sections, left_out = [one for one in made if not one.absent], [one for one in made if one.absent]
    style, script = _asset("page.css"), _asset("page.js")
    return Template(_asset("page.html")).substitute(
        title=joined([title]),
        subtitle=_subtitle(subjects, date),
        contents=_contents(sections),
        filter=_filter(subjects),
        sections=joined([summary(subjects), *(one.html() for one in sections), _left_out(left_out)]),
        subjects=_subjects_json(subjects),
        style=style,
        style_digest=_source(style),
        script=script,
        script_digest=_source(script),
    )


def _asset(name: str) -> str:
    return (files("reprobuild.analysis.page") / name).read_text("utf-8")


def _source(text: str) -> str:
    """Return the source expression that allows *text* inline (CSP, hash-source)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _subtitle(subjects: Subjects, date: str) -> Markup:
    fleet = subjects.fleet
    platforms = f"on {', '.join(subjects.platforms)}" if subjects.platforms else ""
    count = len(subjects.connectors)
    words = (
        f"{count} connector{'' if count == 1 else 's'} {platforms}".strip() if fleet != Fleet() else "Nothing was read"
    )
    return joined([words, element("span", " · ", element("time", date)) if date else None])


def _contents(sections: list[Section]) -> Markup:
    links = (
        element("li", element("a", one.title, " ", element("span", one.note) if one.note else None, href=f"#{one.id}"))
        for one in sections
    )
    return element("ul", *links)


def _left_out(sections: list[Section]) -> Markup | None:
    items = [element("li", element("b", one.title), f": {one.absent}") for one in sections]
    title = element("h2", "Not in this report")
    return element("section", title, element("ul", *items, class_="words"), class_="quiet") if items else None


def _filter(subjects: Subjects) -> Markup:
    variants = [(one.digest, f"{one.digest} ({len(one.connectors)})") for one in subjects.fleet.variants]
    return joined(
        [
            _field("Find", element("input", type="search", name="text", placeholder="name, package, value …", size=20)),
            _field("Variant", _choice("variant", variants)) if variants else None,
            _field("Platform", _choice("platform", [(one, one) for one in subjects.platforms]))
            if len(subjects.platforms) > 1
            else None,
            _field("Score from", element("input", type="number", name="least", min=0, max=100, step=5, value=0))
            if subjects.fleet.scores
            else None,
            element("button", "Reset", type="reset"),
            element("output", role="status", aria_live="polite"),
        ]
    )


def _field(name: str, field: Markup) -> Markup:
    return element("label", element("span", name), field)


def _choice(name: str, options: list[tuple[str, str]]) -> Markup:
    return element("select", element("option", "all", value=""), *(_option(*one) for one in options), name=name)


def _option(value: str, text: str) -> Markup:
    return element("option", text, value=value)


def _subjects_json(subjects: Subjects) -> str:
    rows = [[visible(one.connector), visible(one.platform), visible(one.variant), one.points] for one in subjects.all]
    return json.dumps(rows, separators=(",", ":")).translate(_IN_SCRIPT)
