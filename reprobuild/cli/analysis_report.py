"""Reports of a fleet as files: saved ones are read, and an HTML page and tables for spreadsheets are written."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reprobuild.cli.output import plain, tell
from reprobuild.cli.settings import Settings
from reprobuild.errors import MachineError, SpecificationError

if TYPE_CHECKING:
    from reprobuild.analysis.facts import Fleet

__all__ = ["CsvFolder", "Date", "HtmlFile", "Title", "read_reports", "show_fleet"]

HtmlFile = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write one self-contained HTML page to FILE.", dir_okay=False),
]
CsvFolder = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FOLDER", help="Write tables for spreadsheets into FOLDER.", file_okay=False),
]
Title = Annotated[str, typer.Option("--title", metavar="TEXT", help="What the HTML page is called.")]
Date = Annotated[str, typer.Option("--date", metavar="DATE", help="The date that the HTML page says; none by default.")]
_LARGEST = 1 << 30


def read_reports(paths: Sequence[Path], settings: Settings) -> "Fleet":
    """Return the fleet that the saved reports *paths* tell of together; of two that overlap the later one counts.

    Raises SpecificationError for a file that is not there, ContentError for one that is no report.
    """
    from reprobuild.analysis.merge import merged
    from reprobuild.analysis.report_json import read_fleet

    return merged([read_fleet(_bytes(settings.directory / path), where=str(path)) for path in paths])


def write_reports(
    fleet: "Fleet", settings: Settings, *, html: Path | None, csv: Path | None, title: str = "", date: str = ""
) -> None:
    """Write *fleet* to the page *html* and into the folder *csv*, each whole or not at all; None writes nothing."""
    if html is not None:
        from reprobuild.analysis.report_html import fleet_page

        page = fleet_page(fleet, date=date, **({"title": title} if title else {}))
        _write(settings.directory / html, page.encode("utf-8"), settings)
    if csv is not None:
        from reprobuild.analysis.report_csv import csv_tables

        for name, data in csv_tables(fleet).items():
            _write(settings.directory / csv / name, data, settings)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST:
            raise SpecificationError("too large for a report", where=str(path))
        return path.read_bytes()
    except OSError as error:
        hint = "write it with reprobuild analyze … --json"
        raise SpecificationError(error.strerror or str(error), where=str(path), hint=hint) from error


def _write(path: Path, data: bytes, settings: Settings) -> None:
    from reprobuild.store import replace_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(error.strerror or str(error), where=str(path.parent)) from error
    replace_file(path, data)
    if not settings.quiet:
        tell(plain(f"wrote {path}"))


def show_fleet(
    fleet: "Fleet", settings: Settings, *, html: Path | None, csv: Path | None, title: str, date: str, json: bool
) -> None:
    """Print *fleet* as JSON, or as tables if nothing else is asked for, and write what is."""
    if json:
        from reprobuild.analysis.report_json import fleet_text
        from reprobuild.cli.output import say

        say(fleet_text(fleet))
    elif html is None and csv is None:
        from reprobuild.cli.analysis_table import print_fleet

        print_fleet(fleet, settings)
    write_reports(fleet, settings, html=html, csv=csv, title=title, date=date)
