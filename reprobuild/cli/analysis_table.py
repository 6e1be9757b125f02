"""What `reprobuild analyze` prints: tables of variants, images, environment, packages and scores.

Imported when there is something to print, since rich is not needed before. A narrow terminal gets fewer columns, and
no cell is cut where the output is no terminal.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from reprobuild.analysis.facts import Claim, Fleet, ImageFacts, Setting, Variant
from reprobuild.cli.output import plain, say, size
from reprobuild.cli.settings import Color, Settings

__all__ = ["print_fleet"]

_DIFFERENCES = 8
"""Differences of a variant that are said; all are in JSON and on the page."""
_OUTSIDE = 200
"""Columns where the output is no terminal: enough for any row."""
_WRAPPED = 30
"""The width from which on a column may be wrapped to make room for others."""
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class _Column:
    """A column; *is_spare* ones are left out on a narrow terminal."""

    title: str
    is_number: bool = False
    is_spare: bool = False


def print_fleet(fleet: Fleet, settings: Settings, *, width: int | None = None) -> None:
    """Print what *fleet* has, and nothing of what it has not, to stdout; *width* is the terminal's by default."""
    console = _console(settings, width)
    with console.capture() as captured:
        for table in (_variants, _images, _environment, _packages, _scores, _missing):
            if (found := table(fleet, console)) is not None:
                console.print(found)
                console.print()
        console.print(Text(_summary(fleet), style="bold"))
    for line in captured.get().splitlines():
        say(line.rstrip())
    sys.stdout.flush()


def _console(settings: Settings, width: int | None) -> Console:
    is_plain = settings.color is Color.NEVER or (settings.color is Color.AUTO and not sys.stdout.isatty())
    if width is None and not sys.stdout.isatty():
        width = int(os.environ.get("COLUMNS", "0") or 0) or _OUTSIDE
    color: dict[str, Any] = {"color_system": None} if is_plain else {"force_terminal": True}
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False, **color)


def _table(console: Console, title: str, columns: Sequence[_Column], rows: Iterable[Sequence[str]]) -> Table | None:
    """Return a table of *rows*, None if there are none."""
    kept = [[plain(cell) for cell in row] for row in rows]
    chosen = _fitting(columns, kept, console.width)
    head = Text(title, style="bold")
    table = Table(
        title=head, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for place in chosen:
        is_number = columns[place].is_number
        justify: JustifyMethod = "right" if is_number else "left"
        table.add_column(columns[place].title, justify=justify, overflow="fold", no_wrap=is_number)
    for row in kept:
        table.add_row(*(Text(row[place]) for place in chosen))
    return table if kept else None


def _fitting(columns: Sequence[_Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the places of the columns that *width* has room for: of those to spare the last ones go first."""
    chosen = list(range(len(columns)))
    wanted = [min(max([len(one.title), *(len(row[n]) for row in rows)]), _WRAPPED) for n, one in enumerate(columns)]
    for place in reversed(range(len(columns))):
        if sum(wanted[n] + 2 for n in chosen) <= width:
            break
        if columns[place].is_spare:
            chosen.remove(place)
    return chosen


def _summary(fleet: Fleet) -> str:
    connectors = {*(one.connector for one in fleet.dockerfiles), *(one.connector for one in fleet.images)}
    parts = [_counted(len(connectors), "connector")]
    if fleet.variants:
        parts.append(_counted(len(fleet.variants), "variant"))
    if fleet.images:
        parts.append(_counted(len(fleet.images), "image"))
    if fleet.missing:
        parts.append(f"{len(fleet.missing)} could not be read")
    return ", ".join(parts)


def _scores(fleet: Fleet, console: Console) -> Table | None:
    columns = (_Column("connector"), _Column("score", is_number=True), _Column("reasons"))
    rows = [
        (one.connector, str(one.points), _some([reason.code for reason in one.reasons], most=4))
        for one in sorted(fleet.scores, key=lambda one: (one.points, one.connector))
    ]
    return _table(console, "Reproducibility, of 100", columns, rows)


def _variants(fleet: Fleet, console: Console) -> Table | None:
    columns = (
        _Column("variant"),
        _Column("count", is_number=True),
        _Column("example"),
        _Column("how it differs from one above", is_spare=True),
    )
    rows = [(one.digest, str(len(one.connectors)), one.example, _differences(one)) for one in fleet.variants]
    return _table(console, "Variants of Dockerfiles", columns, rows)


def _differences(variant: Variant) -> str:
    if not variant.compared_with:
        return "the most common"
    said, rest = variant.differences[:_DIFFERENCES], len(variant.differences) - _DIFFERENCES
    more = f"; and {rest} more" if rest > 0 else ""
    return f"from {variant.compared_with}: {'; '.join(said) or 'see its text'}{more}"


def _images(fleet: Fleet, console: Console) -> Table | None:
    columns = (
        _Column("connector"),
        _Column("platform", is_spare=True),
        _Column("Python"),
        _Column("pip"),
        _Column("base", is_spare=True),
        _Column("moved"),
        _Column("C library", is_spare=True),
        _Column("OS +", is_number=True),
        _Column("download", is_number=True),
    )
    ordered = sorted(fleet.images, key=lambda one: (one.connector, one.platform))
    return _table(console, "Images: what is found, \u2260 what is claimed", columns, [_image(one) for one in ordered])


def _image(image: ImageFacts) -> Sequence[str]:
    added = "?" if image.added is None else str(len(image.added))
    moved = {True: "yes", False: "no", None: "?"}[image.base_moved]
    return (
        image.connector,
        image.platform,
        _claim(image.python),
        _claim(image.pip),
        _short(image.base) or "?",
        moved,
        image.libc,
        added,
        size(sum(layer.compressed for layer in image.layers)),
    )


def _claim(claim: Claim) -> str:
    """Return the version that was found, and behind a sign the one that is claimed, if that is another."""
    if claim.claimed and claim.found and claim.claimed != claim.found:
        return f"{claim.found} \u2260 {claim.claimed}"
    return claim.found or claim.claimed or "?"


def _environment(fleet: Fleet, console: Console) -> Table | None:
    columns = (_Column("variable"), _Column("spread"), _Column("base sets it", is_spare=True), _Column("values"))
    ordered = sorted(fleet.settings, key=lambda one: (one.spread == "static", one.spread != "varying", one.name))
    rows = [(one.name, one.spread, _origin(one), _values(one)) for one in ordered]
    return _table(console, "Environment", columns, rows)


def _origin(setting: Setting) -> str:
    known = [value for value in setting.from_base.values() if value is not None]
    if not known:
        return "?"
    return "yes" if all(known) else "no" if not any(known) else f"{sum(known)} of {len(known)}"


def _values(setting: Setting) -> str:
    """Return the values of *setting*, the most common first; of those that differ, how many have each."""
    ordered = sorted(setting.values.items(), key=lambda item: (-len(item[1]), item[0]))
    if len(ordered) == 1:
        return _short(ordered[0][0])
    shown = ", ".join(f"{_short(value)} ({len(connectors)})" for value, connectors in ordered[:4])
    return shown if len(ordered) <= 4 else f"{shown} and {len(ordered) - 4} more"


def _packages(fleet: Fleet, console: Console) -> Table | None:
    columns = (
        _Column("package"),
        _Column("version"),
        _Column("in the base", is_spare=True),
        _Column("connectors", is_number=True),
        _Column("which"),
    )
    found: dict[tuple[str, str, str], set[str]] = {}
    for image in fleet.images:
        for one in image.added or ():
            found.setdefault((one.package.name, one.package.version, one.before), set()).add(image.connector)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [(*key, str(len(names)), _some(sorted(names))) for key, names in ordered]
    return _table(console, "OS packages outside the base", columns, rows)


def _missing(fleet: Fleet, console: Console) -> Table | None:
    columns = (_Column("missing"), _Column("why"), _Column("what to do", is_spare=True))
    whole = [(one.name, one.why, one.hint) for one in fleet.missing]
    parts = [(f"{image.connector} {image.platform}", why, "") for image in fleet.images for why in image.unread]
    return _table(console, "Could not be read", columns, [*whole, *parts])


def _some(names: Sequence[str], *, most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _short(text: str) -> str:
    text = text.replace("\n", "\\n")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\u2026"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
