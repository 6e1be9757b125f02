"""What BuildKit and buildah build from: a folder with the wheels, and Dockerfiles as people write them."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench_case import Scenario

__all__ = ["BASE", "LOADING", "Context", "image_name", "main_file", "make_context"]

BASE = "localhost/base:python-3.11"
"""What the base image is called in the stores of both tools."""

LOADING = ("skopeo", "--insecure-policy", "--override-os=linux", "--override-arch=amd64", "copy", "--quiet")
"""How the base image gets there: a command that wants to know from where and to where."""

_INSTALL = """\
FROM {base}
RUN --mount=type=bind,source=wheels,target=/wheels \\
    python3 /wheels/{pip}/pip install --no-index --no-deps --no-cache-dir \\
    --root-user-action=ignore --break-system-packages {options}/wheels/*.whl
"""
_FIRST = """\
LABEL io.airbyte.name=source-notion
ENTRYPOINT ["source-notion"]
"""
_FURTHER = """\
COPY main.py /airbyte/integration_code/main.py
LABEL io.airbyte.name=source-further
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
"""
_MAIN = '''\
"""A connector that shares its wheels with source-notion; round {number}."""

from source_notion import run

run.run()
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A build context; each Dockerfile is there with pip's default and, as ``.no-compile``, without bytecode."""

    folder: Path

    def dockerfile(self, scenario: Scenario, *, compiled: bool) -> Path:
        """Return the Dockerfile of the connector that *scenario* builds."""
        return (
            self.folder / f"{'further' if scenario.further else 'first'}{'' if compiled else '.no-compile'}.Dockerfile"
        )

    def renew_main(self, number: int) -> None:
        """Let the further connector's main file be another one than in any other round."""
        (self.folder / "main.py").write_text(main_file(number), encoding="utf-8")


def image_name(scenario: Scenario, *, compiled: bool) -> str:
    """Return what the image of *scenario* is called in the store of a tool."""
    return f"localhost/{scenario.name.lower()}:{'compiled' if compiled else 'plain'}"


def main_file(number: int) -> str:
    """Return the main file of the further connector in round *number*."""
    return _MAIN.format(number=number)


def make_context(folder: Path, wheels: Iterable[Path]) -> Context:
    """Write a context with *wheels*, pip's among them, to *folder*."""
    (folder / "wheels").mkdir(parents=True)
    for wheel in wheels:
        shutil.copyfile(wheel, folder / "wheels" / wheel.name)
    (pip,) = (folder / "wheels").glob("pip-*.whl")
    context = Context(folder=folder)
    for compiled, options in ((True, ""), (False, "--no-compile ")):
        head = _INSTALL.format(base=BASE, pip=pip.name, options=options)
        context.dockerfile(Scenario.COLD, compiled=compiled).write_text(head + _FIRST, encoding="utf-8")
        context.dockerfile(Scenario.FURTHER, compiled=compiled).write_text(head + _FURTHER, encoding="utf-8")
    context.renew_main(0)
    return context
