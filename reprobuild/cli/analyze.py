"""``reprobuild analyze``: what a fleet of Dockerfiles and images is made of, today."""

from pathlib import Path
from typing import Annotated

import typer

from reprobuild.cli.analysis_report import CsvFolder, Date, HtmlFile, Title

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def analyze() -> None:
    """See what a fleet of Dockerfiles and images is made of, and how its images differ."""


@app.command()
def report(
    context: typer.Context,
    reports: Annotated[
        list[Path], typer.Argument(metavar="REPORT...", help="What analyze … --json has printed.", show_default=False)
    ],
    html: HtmlFile = None,
    csv: CsvFolder = None,
    title: Title = "",
    date: Date = "",
    json: Annotated[bool, typer.Option("--json", help="Print the reports as one.")] = False,
) -> None:
    """Make one report of saved ones, of Dockerfiles and of images: tables, an HTML page, CSV or JSON.

    Without --html, --csv or --json it is printed. Of two reports that tell of the same, the later one counts.
    """
    from reprobuild.cli.analysis_report import read_reports, write_reports
    from reprobuild.cli.output import say

    fleet = read_reports(reports, context.obj)
    if json:
        from reprobuild.analysis.report_json import fleet_text

        say(fleet_text(fleet))
    elif html is None and csv is None:
        from reprobuild.cli.analysis_table import print_fleet

        print_fleet(fleet, context.obj)
    write_reports(fleet, context.obj, html=html, csv=csv, title=title, date=date)
