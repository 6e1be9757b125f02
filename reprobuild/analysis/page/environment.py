"""The section of the environment: which variables images have, whether they are alike, and who sets them."""

from collections.abc import Sequence

from reprobuild.analysis.facts import Setting
from reprobuild.analysis.page.markup import Markup, element, joined
from reprobuild.analysis.page.section import Section
from reprobuild.analysis.page.subject import Subjects
from reprobuild.analysis.page.table import Cell, Column, Row, names, table

__all__ = ["environment_section"]

_SHOWN = 6
_ORDER = ("varying", "specific", "static")
_COLUMNS = (
    Column("Variable"),
    Column("Over the fleet"),
    Column("Connectors", "number"),
    Column("Set by the base"),
    Column("Values", "wide", sorts=False),
)


def environment_section(subjects: Subjects) -> Section:
    """Return the section."""
    settings = sorted(subjects.fleet.settings, key=lambda one: (_rank(one.spread), one.name))
    rows = [_row(subjects, setting) for setting in settings]
    return Section(
        id="environment",
        title="Environment",
        lead="Read from the configuration of the images: nothing was run. Static variables are the same for all, "
        "varying ones are set by all to different values, specific ones are not set by all.",
        body=(table("Environment variables", _COLUMNS, rows),),
        note=str(len(settings)),
        absent="" if rows else "no environment was read",
    )


def _row(subjects: Subjects, setting: Setting) -> Row:
    connectors = sorted({name for members in setting.values.values() for name in members})
    word = element("span", setting.spread, class_=f"tag {setting.spread}" if setting.spread in _ORDER else "tag")
    return Row(
        subjects=subjects.of_connectors(connectors),
        cells=(
            element("code", setting.name),
            Cell(word, key=_rank(setting.spread)),
            Cell(len(connectors), counts=True),
            _origin(setting),
            _values(subjects, setting, len(connectors)),
        ),
    )


def _origin(setting: Setting) -> Cell:
    known = [value for value in setting.from_base.values() if value is not None]
    by_base = sum(known)
    unknown = len(setting.from_base) - len(known)
    if not known:
        return Cell(element("span", "not known", class_="quiet"), key=-1)
    words = "yes" if by_base == len(known) else "no" if not by_base else f"for {by_base} of {len(known)}"
    more = element("span", f" · {unknown} not known", class_="quiet") if unknown else None
    return Cell(joined([words, more]), key=by_base)


def _values(subjects: Subjects, setting: Setting, total: int) -> Markup:
    ordered = sorted(setting.values.items(), key=lambda item: (-len(item[1]), item[0]))
    listed = [_value(subjects, value, connectors, total) for value, connectors in ordered]
    if len(listed) <= _SHOWN:
        return element("ul", *listed, class_="values")
    rest = element(
        "details", element("summary", f"{len(listed) - _SHOWN} more values"), element("ul", *listed[_SHOWN:])
    )
    return element("div", element("ul", *listed[:_SHOWN], class_="values"), rest)


def _value(subjects: Subjects, value: str, connectors: Sequence[str], total: int) -> Markup:
    shown = element("code", value) if value else element("span", "empty", class_="quiet")
    return element("li", shown, " ", names(connectors, total), data_s=subjects.of_connectors(connectors))


def _rank(spread: str) -> int:
    return _ORDER.index(spread) if spread in _ORDER else len(_ORDER)
