"""The command line: the only place that prints, and the only one that starts an event loop (design §12).

Everything here is imported on the way to the command that needs it: a build that has nothing to do takes as
long as what it imports.
"""

import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

__all__ = ["main", "run"]


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    # Imports make objects that stay: looking for garbage among them is a tenth of a build with nothing to do.
    gc.disable()
    # A process may be started without stdout or stderr.
    sys.stdout = sys.stdout or io.StringIO()
    sys.stderr = sys.stderr or io.StringIO()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        # Its reader is gone or its disk full, which `run` has told: what is left is not tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the command that *arguments* give and return its exit code (design §12)."""
    # A name that the stream's encoding lacks must not end a command that is done.
    getattr(sys.stdout, "reconfigure", lambda **_: None)(errors="replace")
    try:
        return _run(arguments)
    except SystemExit as leaving:  # By the shell's completion, which has printed all there is to say.
        return leaving.code if isinstance(leaving.code, int) else 0
    except (Exception, KeyboardInterrupt) as error:
        from reprobuild.cli.failure import report
        from reprobuild.cli.settings import Settings

        return report(error, Settings())
    finally:
        from reprobuild.lease import leave

        leave()


def _run(arguments: Sequence[str]) -> int:
    from reprobuild.cli.shortcut import plain_build

    if (plain := plain_build(arguments, os.environ)) is None:
        from reprobuild.cli.app import run_app

        return run_app(arguments)
    from reprobuild.cli.building import run_build

    code = run_build(*plain)
    sys.stdout.flush()
    return code


def _terminated(_number: int, _frame: FrameType | None) -> None:
    """Leave as Ctrl-C does: files that are being written are removed on the way out."""
    raise KeyboardInterrupt
