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


Language = Annotated[
    list[str] | None,
    typer.Option(
        "--language", metavar="NAME", help="Only connectors whose metadata.yaml has it, as python; repeatable."
    ),
]
SupportLevel = Annotated[
    list[str] | None,
    typer.Option("--support-level", metavar="LEVEL", help="Only connectors of it, such as certified; repeatable."),
]


@app.command()
def dockerfiles(  # noqa: PLR0917 - options are not positional
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Dockerfiles, or folders of them.", show_default=False)
    ],
    languages: Language = None,
    support_levels: SupportLevel = None,
    html: HtmlFile = None,
    csv: CsvFolder = None,
    title: Title = "",
    date: Date = "",
    json: Annotated[bool, typer.Option("--json", help="Print a report, for analyze report and drift.")] = False,
) -> None:
    """Group Dockerfiles into variants, and say how these differ: bases, installs, entrypoints, environment, labels.

    The connector's name, comments, blank lines and the version label make no variant. Nothing is built or executed.
    Files that cannot be read are listed as missing.
    """
    from reprobuild.analysis.connector_files import Wanted
    from reprobuild.analysis.dockerfile_fleet import dockerfile_fleet
    from reprobuild.cli.analysis_report import show_fleet

    wanted = Wanted(languages=tuple(languages or ()), support_levels=tuple(support_levels or ()))
    fleet = dockerfile_fleet(paths, context.obj.directory, wanted)
    show_fleet(fleet, context.obj, html=html, csv=csv, title=title, date=date, json=json)


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
    from reprobuild.cli.analysis_report import read_reports, show_fleet

    fleet = read_reports(reports, context.obj)
    show_fleet(fleet, context.obj, html=html, csv=csv, title=title, date=date, json=json)
