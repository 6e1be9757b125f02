"""The options for every command, and the commands, each imported when it is asked for."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from reprobuild.cli.arguments import known_engine
from reprobuild.cli.failure import report
from reprobuild.cli.settings import Color, Settings

__all__ = ["app", "run_app"]

_COMMANDS = (
    *("init", "lock", "fetch", "build", "check", "diff", "verify", "push", "pull", "copy", "sbom", "attest", "analyze"),
    *("migrate", "store", "doctor"),
)
"""In the order of the help; each is a module of this package with an ``app``."""


class _Commands(TyperGroup):
    """The group of all commands; whatever one of them raises becomes words and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, None if there is none of that name."""
        if cmd_name in _COMMANDS:
            return self.commands.get(cmd_name) or self._load(cmd_name)
        # For the suggestion of a similar name.
        self.commands = {name: self.get_command(ctx, name) for name in _COMMANDS}
        return None

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            code = report(error, ctx.obj if isinstance(ctx.obj, Settings) else Settings())
            raise typer.Exit(code) from error
        return result

    def _load(self, name: str) -> Any:
        command = get_command(importlib.import_module(f"reprobuild.cli.{name}").app)
        command.name = name
        self.commands[name] = command
        return command


app = typer.Typer(
    name="reprobuild",
    cls=_Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from reprobuild import __version__
        from reprobuild.cli.output import say

        say(f"reprobuild {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    directory: Annotated[
        Path,
        typer.Option(
            "--directory",
            "-C",
            metavar="DIR",
            envvar="REPROBUILD_DIRECTORY",
            help="Work as if started in DIR.",
            show_default="where you are",
        ),
    ] = Path(),
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", envvar="REPROBUILD_QUIET", help="Print results and errors only.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", envvar="REPROBUILD_VERBOSE", help="Print where an error came from."),
    ] = False,
    color: Annotated[
        Color,
        typer.Option(envvar="REPROBUILD_COLOR", help="Color the output; NO_COLOR, if set, means never."),
    ] = Color.AUTO,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="ENGINE",
            envvar="REPROBUILD_ENGINE",
            help="Execute on embedded, dagger, or auto: dagger for what embedded cannot do here.",
            show_default="the workspace's, else embedded",
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Byte-identical container images of Python connectors and services, from lockfiles that people review.

    `reprobuild lock update` pins what an image is made of, `reprobuild build` makes it and compares its digest
    with the one that the lock records.

    Exit codes: 0 yes; 1 a negative answer; 2 usage, specification or lock; 3 network or machine, worth
    retrying; 4 authentication; 130 interrupted.
    """
    if color is Color.AUTO and os.environ.get("NO_COLOR"):
        color = Color.NEVER
    context.obj = Settings(
        directory=_folder(directory), quiet=quiet, verbose=verbose, color=color, engine=known_engine(engine)
    )
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def run_app(arguments: Sequence[str]) -> int:
    """Run the command that *arguments* give and return its exit code; raise what is wrong with the arguments."""
    code = get_command(app)(list(arguments), prog_name="reprobuild", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _folder(directory: Path) -> Path:
    if directory.is_dir():
        return directory
    raise typer.BadParameter(f"there is no folder {str(directory)!r}", param_hint="--directory")
