import subprocess
import sys
from pathlib import Path

import pytest

from reprobuild.errors import SpecificationError
from reprobuild.oci.layout import write_layout
from reprobuild.oci.open import open_source
from reprobuild.oci.reference import parse_reference
from reprobuild.store import Store
from tests.images import add_image


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "docker-archive"])
def test_a_file_that_is_not_there(tmp_path: Path, transport: str) -> None:
    with pytest.raises(SpecificationError, match="there is no") as caught:
        open_source(parse_reference(f"{transport}:images/base:1"), root=tmp_path, environ={})
    assert caught.value.where == f"{transport}:images/base:1"
    assert "relative to the workspace" in (caught.value.hint or "")


def test_folders_and_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecificationError, match="is not a folder") as caught:
        open_source(parse_reference("oci:file"), root=tmp_path, environ={})
    assert "oci-archive:file" in (caught.value.hint or "")
    with pytest.raises(SpecificationError, match="is not a file") as caught:
        open_source(parse_reference("docker-archive:."), root=tmp_path, environ={})
    assert "oci:." in (caught.value.hint or "")


@pytest.mark.anyio
async def test_absolute_paths_are_taken_as_they_are(tmp_path: Path, store: Store) -> None:
    image = add_image(store)
    write_layout(tmp_path / "layout", entries=[(image, "1")], store=store)
    source = open_source(parse_reference(f"oci:{tmp_path}/layout:1"), root=Path("/nowhere"), environ={})
    assert (await source.resolve()).digest == image.digest


def test_files_are_read_without_loading_http() -> None:
    code = "import sys, reprobuild.oci.open; sys.exit(bool({'httpx', 'anyio', 'tarfile'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
