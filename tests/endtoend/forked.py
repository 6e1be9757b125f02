"""The command line in processes of their own that start in a hundredth of a second, forked off one that has it loaded.

Named as what a `multiprocessing` fork server loads beforehand; the imports are what a build and a collection load.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio._backends._asyncio  # noqa: F401

import reprobuild.builder.realise
import reprobuild.cli.building
import reprobuild.cli.built
import reprobuild.cli.collecting
import reprobuild.cli.loop
import reprobuild.cli.progress
import reprobuild.cli.store
import reprobuild.cli.supply
import reprobuild.garbage.soundness
import reprobuild.garbage.sweep
import reprobuild.resolver.freshness
import reprobuild.resolver.inputs  # noqa: F401 - of one package, one name stands for all
from reprobuild.cli import run

__all__ = ["command"]


def command(arguments: list[str], environ: Mapping[str, str], folder: Path, output: Path) -> None:
    """Run ``reprobuild`` in *folder* with *environ*, what it says in *output*, and leave with its exit code."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    with output.open("w", encoding="utf-8") as file:
        sys.stdout = sys.stderr = file
        code = run(arguments)
        file.flush()
    os._exit(code)
