"""From an exception to words on stderr and an exit code: what went wrong, where, and the next step."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reprobuild.cli.output import plain, styled, tell
from reprobuild.cli.settings import Settings
from reprobuild.errors import MachineError, ReprobuildError
from reprobuild.failures import Failures

__all__ = ["INTERRUPTED", "READER_GONE", "failures_json", "report", "told_failures"]

INTERRUPTED = 130
READER_GONE = 141
"""As a shell counts it when whoever reads our output stops: 128 + SIGPIPE."""

_LINES = 20
"""How many lines are shown of what a program wrote."""
_USAGE = 2
_FAULT = 2
_GLOBAL_OPTIONS = frozenset({"-C", "-q", "-v", "--color", "--directory", "--quiet", "--verbose"})


def report(error: BaseException, settings: Settings) -> int:
    """Tell stderr about *error*, each error of a group once, and return the exit code."""
    leaves = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        tell("interrupted: what is finished is kept, nothing is half-written")
        return INTERRUPTED
    if any(isinstance(leaf, BrokenPipeError) for leaf in leaves):
        return READER_GONE
    told: dict[tuple[str, str | None], int] = {}
    for leaf in leaves:
        message, hint, code = _explained(leaf)
        if (message, hint) not in told:
            told[message, hint] = code
            _print(message, hint, settings, output=str(getattr(leaf, "output", "")))
            if settings.verbose:
                _print_causes(leaf)
    return max(told.values())


def told_failures(failures: Failures | None, settings: Settings) -> int:
    """Tell stderr about each connector of *failures*, the count last; return the exit code of the worst, 0 for none."""
    if not failures:
        return 0
    sys.stdout.flush()
    codes = []
    for name, error in sorted(failures.items()):
        message, hint, code = _explained(error)
        codes.append(code)
        _print(_named(name, message), hint, settings, output=str(getattr(error, "output", "")))
        if settings.verbose:
            _print_causes(error)
    count = f"{len(failures)} connectors" if len(failures) > 1 else "1 connector"
    tell(f"{styled('failed:', 'bad', sys.stderr, settings)} {count}: {plain(', '.join(sorted(failures)))}")
    return max(codes)


def failures_json(failures: Failures | None) -> list[dict[str, Any]]:
    """Return *failures* as ``--json`` has them, by name."""
    told = []
    for name, error in sorted((failures or {}).items()):
        message, hint, code = _explained(error)
        told.append({"name": name, "error": message, "hint": hint, "exit": code})
    return told


def _named(name: str, message: str) -> str:
    return message if message.startswith(f"{name}: ") else f"{name}: {message}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield what tasks that ran side by side raised, or *error* itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _explained(error: BaseException) -> tuple[str, str | None, int]:
    """Return message, hint and exit code."""
    if isinstance(error, ReprobuildError):
        return str(error), error.hint, error.exit_code
    if hasattr(error, "format_message"):
        return _usage(error)
    if isinstance(error, OSError):
        return _explained(_machine_error(error))
    if isinstance(error, MemoryError):
        return "there is not enough memory", "free some, then run the command again", MachineError.exit_code
    hint = (
        "this is a fault of reprobuild's: please report it, with the output of the same command after `reprobuild -v`"
    )
    return f"{type(error).__name__}: {error}", hint, _FAULT


def _usage(error: BaseException) -> tuple[str, str, int]:
    """Explain a TyperException: the command line is not understood."""
    message = str(error.format_message()).rstrip(".")  # type: ignore[attr-defined]
    message = f"{message[:1].lower()}{message[1:]}"
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "reprobuild"
    option = getattr(error, "option_name", None)
    if option in _GLOBAL_OPTIONS and command != "reprobuild":
        return message, f"options for every command go before it: reprobuild {option} …", _USAGE
    return message, f"see `{command} --help`", _USAGE


def _machine_error(error: OSError) -> MachineError:
    from reprobuild.store import machine_errors

    try:
        with machine_errors(Path.cwd()):
            raise error
    except MachineError as explained:
        return explained


def _print(message: str, hint: str | None, settings: Settings, *, output: str = "") -> None:
    """Tell what went wrong, with the end of what a program wrote before it failed."""
    tell(f"{styled('error:', 'bad', sys.stderr, settings)} {plain(message)}")
    for line in output.splitlines()[-_LINES:]:
        tell(f"  | {plain(line)}")
    if hint:
        tell(f"{styled('hint:', 'hint', sys.stderr, settings)} {plain(hint)}")


def _print_causes(error: BaseException) -> None:
    import traceback

    tell(plain("".join(traceback.format_exception(error))).rstrip())
