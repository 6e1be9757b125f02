"""``reprobuild doctor``: what works on this machine."""

import sys
from typing import Annotated

import typer

from reprobuild.cli.finding import Finding, Mark
from reprobuild.cli.settings import Settings

__all__ = ["app"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_STYLES = {Mark.OK: "good", Mark.WARN: "open", Mark.FAIL: "bad"}


@app.command()
def doctor(
    context: typer.Context,
    registries: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REGISTRY]...", help="Hosts, or HOST/REPOSITORY, to find out about in place of all."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what works on this machine and what to do about the rest.

    Each line is ok, warn or fail. Exit with 1 if something that a build needs fails. No secrets are read or
    printed; each registry of a base image is asked once whether it is there.

    Of each REGISTRY it says which credentials there are, what was asked and what was answered; of a repository also
    whether we may read and write there. No secret is printed, and nothing is left there.
    """
    from reprobuild.cli.machine import machine_findings
    from reprobuild.cli.output import say_json
    from reprobuild.cli.surroundings import workspace_findings

    settings: Settings = context.obj
    if registries:
        from reprobuild.cli.origin import workspace_registries
        from reprobuild.cli.registries import registry_findings

        ways = workspace_registries(settings)
        findings = [finding for one in registries for finding in registry_findings(one, ways)]
    else:
        findings = [*machine_findings(settings.directory), *workspace_findings(settings)]
    if json:
        checks = [
            {"name": one.name, "mark": one.mark.value, "message": one.message, "hint": one.hint} for one in findings
        ]
        say_json({"checks": checks})
    else:
        for finding in findings:
            _print(finding, settings)
    raise typer.Exit(1 if any(finding.mark is Mark.FAIL for finding in findings) else 0)


def _print(finding: Finding, settings: Settings) -> None:
    from reprobuild.cli.output import plain, say, styled

    mark = styled(f"{finding.mark.value:<4}", _STYLES[finding.mark], sys.stdout, settings)
    say(f"{mark}  {finding.name:<12}  {plain(finding.message)}")
    if finding.hint:
        say(f"      {'':<12}  {styled('hint:', 'hint', sys.stdout, settings)} {plain(finding.hint)}")
