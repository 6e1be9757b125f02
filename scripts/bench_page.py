"""The end of every benchmark: a folder for what it makes, and the page that comes of it, printed and kept."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from reprobuild.errors import ReprobuildError
from reprobuild.store import replace_file

__all__ = ["add_output", "write_page"]


def add_output(parser: argparse.ArgumentParser, page: Path) -> None:
    """Give *parser* the option ``output``: where the page goes, *page* if nothing is said."""
    help_ = f"where the page goes (default: docs/{page.name})"
    parser.add_argument("--output", "-o", type=Path, default=page, metavar="FILE", help=help_)


def write_page(output: Path, measured: Callable[[Path], str]) -> int:
    """Write the page that *measured* returns to *output*, and print it; return the exit code.

    *measured* is given a new folder, which is removed afterwards.
    """
    # Whoever ends us, a daemon of ours must not stay behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # The path is short because a socket's must be.
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
            page = measured(Path(name).resolve())
    except ReprobuildError as error:
        print(f"error: {error}" + (f"\nhint: {error.hint}" if error.hint else ""), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("error: interrupted; nothing was written", file=sys.stderr)
        return 130
    print(page)
    replace_file(output, page.encode())
    return 0
