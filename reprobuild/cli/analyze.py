"""``reprobuild analyze``: what a fleet of Dockerfiles and images is made of, today."""

from pathlib import Path
from typing import Annotated

import typer

from reprobuild.cli.analysis_report import CsvFolder, Date, HtmlFile, Title
from reprobuild.cli.completion import connector_names, platform_names

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
def images(  # noqa: PLR0917 - options are not positional
    context: typer.Context,
    references: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REF]...",
            help="A registry's NAME:TAG, oci:PATH[:TAG], oci-archive:FILE, docker-archive:FILE, store:DIGEST.",
            show_default=False,
        ),
    ] = None,
    lists: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILE", help="Also what FILE lists, one reference a line; repeatable."),
    ] = None,
    connectors: Annotated[
        list[Path] | None,
        typer.Option("--connectors", metavar="PATH", help="Also what metadata.yaml files below PATH name; repeatable."),
    ] = None,
    languages: Language = None,
    support_levels: SupportLevel = None,
    bases: Annotated[
        list[str] | None,
        typer.Option("--base", metavar="REF", help="What all were built on; of several, what fits an image's layers."),
    ] = None,
    platforms: Annotated[
        list[str] | None,
        typer.Option("--platform", metavar="P", help="Look at this platform only.", autocompletion=platform_names),
    ] = None,
    html: HtmlFile = None,
    csv: CsvFolder = None,
    title: Title = "",
    date: Date = "",
    json: Annotated[bool, typer.Option("--json", help="Print a report, for analyze report and drift.")] = False,
) -> None:
    """Say what images are made of: base, environment, Python and pip, distributions, OS packages, sizes.

    Configs and layers are read, nothing is executed, and no daemon is needed. Images that cannot be read are listed as
    missing; exit with 1 if that is all of them.
    """
    from reprobuild.analysis.connector_files import Wanted
    from reprobuild.cli.analysis_report import show_fleet
    from reprobuild.cli.analyzed_images import ImagesRequest, read_images

    request = ImagesRequest(
        references=tuple(references or ()),
        lists=tuple(lists or ()),
        connectors=tuple(connectors or ()),
        wanted=Wanted(languages=tuple(languages or ()), support_levels=tuple(support_levels or ())),
        bases=tuple(bases or ()),
        platforms=tuple(platforms or ()),
    )
    fleet = read_images(request, context.obj)
    show_fleet(fleet, context.obj, html=html, csv=csv, title=title, date=date, json=json)
    if not fleet.images:
        raise typer.Exit(1)


@app.command()
def drift(
    context: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="An image, or a saved report.", show_default=False)],
    b: Annotated[
        str | None, typer.Argument(metavar="[B]", help="What it is compared with: the same.", show_default=False)
    ] = None,
    dockerfile: Annotated[
        Path | None, typer.Option("--dockerfile", metavar="FILE", help="Compare A with what this Dockerfile says.")
    ] = None,
    lock: Annotated[
        str | None,
        typer.Option(
            "--lock", metavar="NAME", help="Compare A with this connector's lock.", autocompletion=connector_names
        ),
    ] = None,
    bases: Annotated[
        list[str] | None, typer.Option("--base", metavar="REF", help="What the images were built on.")
    ] = None,
    platforms: Annotated[
        list[str] | None,
        typer.Option("--platform", metavar="P", help="Look at this platform only.", autocompletion=platform_names),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what changed between two images, or two reports of a fleet, and the likely cause of each change.

    A moved tag, another base, an upgrade, an edit, or only that it was built again. Exit with 1 if something changed.
    """
    from reprobuild.cli.drifted import DriftRequest, find_drift, print_drift

    request = DriftRequest(
        a=a, b=b, dockerfile=dockerfile, lock=lock, bases=tuple(bases or ()), platforms=tuple(platforms or ())
    )
    found = find_drift(request, context.obj)
    print_drift(found, context.obj, json=json)
    if any(one.changes for one in found.drifts) or found.only_a or found.only_b:
        raise typer.Exit(1)


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
