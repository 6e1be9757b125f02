"""Data and packages from the network, through a script that does not stay: not reproducible."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container

SCRIPT_PATH = "/tmp/fetch_corpora.py"
SCRIPT = """
import pathlib, urllib.request
folder = pathlib.Path("/usr/share/corpora")
folder.mkdir()
for name in ("punkt", "tagger"):
    urllib.request.urlretrieve(f"https://example.com/corpora/{name}.zip", folder / f"{name}.zip")
"""


def with_corpora(container: Container) -> Container:
    return (
        container.with_new_file(SCRIPT_PATH, contents=SCRIPT, permissions=0o755)
        .with_exec(["python", SCRIPT_PATH], skip_entrypoint=True)
        .with_exec(["rm", SCRIPT_PATH], skip_entrypoint=True)
    )


def with_readers(container: Container) -> Container:
    install = "apt-get update && apt-get install -y tesseract-ocr poppler-utils"
    return container.with_exec(["sh", "-c", install], skip_entrypoint=True)


async def post_connector_install(connector_container: Container) -> Container:
    return with_readers(with_corpora(connector_container))
