"""One execution on the embedded engine as a program: ``python -m tests.engines.alone STORE SHELL-WORDS``.

Its root filesystem is put into the store; prints what was written, or the error and its hint.
"""

import sys
from pathlib import Path

import anyio

from reprobuild.engines.embedded import EmbeddedExecutor
from reprobuild.engines.execution import Execution
from reprobuild.errors import ReprobuildError
from reprobuild.oci.types import Platform
from reprobuild.store import Store
from tests.engines.root_filesystem import tiny_root


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def run(store: Store, words: str) -> None:
    execution = Execution(
        what="test: alone",
        platform=Platform(os="linux", architecture="amd64"),
        layers=tiny_root(store),
        argv=("sh", "-ec", words),
        env={"PATH": "/bin", "HOME": "/"},
    )
    try:
        await EmbeddedExecutor(store).run(execution, listener=say)
    except ReprobuildError as error:
        say(f"{type(error).__name__}: {error}\nhint: {error.hint}")


if __name__ == "__main__":
    anyio.run(run, Store(Path(sys.argv[1])), sys.argv[2])
