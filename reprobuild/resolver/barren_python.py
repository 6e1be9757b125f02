"""Answers uv's question what a Python is, with another program in place of that Python's path: see `barren`.

Run as a program, with that other program's path and the words that are meant for the Python.
"""

import json
import subprocess
import sys

__all__ = ["main"]

_PATHS = ("sys_executable", "sys_base_executable")


def main(refusal: str, arguments: list[str]) -> int:
    """Ask this Python and write its answer, with *refusal* where its path stands."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    answer = json.loads(done.stdout)
    sys.stdout.write(json.dumps({**answer, **{key: refusal for key in _PATHS if key in answer}}))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
