"""`reprobuild sbom`: of connectors and of images from anywhere, written or searched."""

import json
import sys
from pathlib import Path
from unittest import mock

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from reprobuild.oci.layout import write_layout
from reprobuild.store import Store
from tests.cli.project import Project
from tests.conftest import Run
from tests.resolver.base_images import debian, image, index
from tests.sbom.images import DEBIAN, metadata
from tests.servers import RunningRegistry


@pytest.fixture
def elsewhere(tmp_path: Path) -> str:
    """An image that others have built, on disk."""
    made = Store(tmp_path / "made")
    root = index(image([DEBIAN, *debian(), metadata("idna", "3.7"), metadata("idna-ssl", "1.1")]), store=made)
    write_layout(tmp_path / "layout", entries=[(root, "one")], store=made)
    return f"oci:{tmp_path / 'layout'}:one"


def test_a_connector_that_has_been_built(built: Project) -> None:
    done = built.run("sbom", "source-one", "--platform", "linux/amd64")
    assert done.code == 0
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(done.out) is None
    components = {one["name"]: one for one in done.json["components"]}
    assert components["alpha"]["purl"] == "pkg:pypi/alpha@1.1"
    (wheel,) = built.root.glob("lock/pylock.source-one.toml")
    assert components["alpha"]["hashes"][0]["content"] in wheel.read_text()
    assert components["oci:base:python-3.11"]["type"] == "container"
    assert done.json["metadata"]["component"]["name"] == "source-one"
    assert built.run("sbom", "source-one", "--platform", "linux/amd64").out == done.out
    file = built.run("sbom", "source-one", "--platform", "linux/amd64", "--output", "sbom.json")
    assert (file.code, file.out) == (0, "")
    assert (built.root / "sbom.json").read_text() == done.out


def test_every_platform_has_a_file(built: Project) -> None:
    done = built.run("sbom", "source-one")
    assert (done.code, done.out) == (2, "")
    assert "there are linux/amd64, linux/arm64" in done.err
    assert built.run("sbom", "source-one", "-o", "sbom.json").code == 2
    done = built.run("sbom", "source-one", "-o", "sboms/")
    assert done.code == 0
    assert sorted(path.name for path in (built.root / "sboms").iterdir()) == [
        "source-one-linux-amd64.cdx.json",
        "source-one-linux-arm64.cdx.json",
    ]
    one, other = (json.loads(path.read_text()) for path in sorted((built.root / "sboms").iterdir()))
    assert one["serialNumber"] != other["serialNumber"]


def test_a_connector_that_has_not_been_built(locked: Project) -> None:
    done = locked.run("sbom", "source-one")
    assert done.code == 2
    assert "run `reprobuild build source-one` first" in done.err
    assert "did you mean source-one?" in locked.run("sbom", "source-on").err


def test_an_image_that_others_have_built(built: Project, elsewhere: str) -> None:
    done = built.run("sbom", elsewhere)
    assert done.code == 0
    assert "warning" not in done.err
    found = {one["name"]: one["version"] for one in done.json["components"]}
    assert found == {"debian": "12", "idna": "3.7", "idna-ssl": "1.1", "python": "3.11.2"}
    assert done.json["metadata"]["component"]["name"] == "one"


def test_an_image_in_a_registry(built: Project, elsewhere: str, registry: RunningRegistry, run: Run) -> None:
    place = f"{registry.host}/team/one"
    run("skopeo", "copy", "--dest-tls-verify=false", "--all", elsewhere, f"docker://{place}:1.0")
    done = built.run("sbom", f"{place}:1.0")
    assert done.code == 0
    image = done.json["metadata"]["component"]
    digest = image["hashes"][0]["content"]
    assert (image["name"], image["version"]) == (place, f"sha256:{digest}")
    assert image["purl"].startswith(f"pkg:oci/one@sha256:{digest}?arch=amd64&repository_url=")
    assert done.json["components"] == built.run("sbom", elsewhere).json["components"]
    assert built.run("sbom", f"{place}:2.0").code == 2


def test_which_version_is_in_it(built: Project, elsewhere: str) -> None:
    done = built.run("sbom", elsewhere, "--find", "IDNA")
    assert done.code == 0
    assert done.out == "idna  3.7  /usr/local/lib/python3.11/site-packages/idna-3.7.dist-info\n"
    assert [line.split()[0] for line in built.run("sbom", elsewhere, "--find", "idna*").out.splitlines()] == [
        "idna",
        "idna-ssl",
    ]
    assert built.run("sbom", elsewhere, "--find", "python").out == "python  3.11.2  /usr/bin/python3.11\n"
    done = built.run("sbom", elsewhere, "--find", "httpx")
    assert (done.code, done.out) == (1, "")
    done = built.run("sbom", elsewhere, "--find", "idna", "--json")
    assert done.json["found"] == [
        {
            "platform": "linux/amd64",
            "kind": "distribution",
            "name": "idna",
            "version": "3.7",
            "purl": "pkg:pypi/idna@3.7",
            "paths": ["/usr/local/lib/python3.11/site-packages/idna-3.7.dist-info"],
        }
    ]


def test_with_several_platforms_each_line_says_which(built: Project) -> None:
    lines = built.run("sbom", "source-one", "--find", "alpha").out.splitlines()
    assert [line.split()[::3] for line in lines] == [["alpha", "linux/amd64"], ["alpha", "linux/arm64"]]


def test_an_archive_and_an_image_of_the_store(built: Project, tmp_path: Path) -> None:
    assert built.run("build", "source-one", "-o", f"oci-archive:{tmp_path / 'one.tar'}:x").code == 0
    archive = built.run("sbom", f"oci-archive:{tmp_path / 'one.tar'}:x", "--find", "alpha")
    assert (archive.code, len(archive.out.splitlines())) == (0, 2)
    assert built.run("sbom", "store:source-one", "--find", "alpha").out == archive.out


def test_the_library_is_an_extra(built: Project) -> None:
    with mock.patch.dict(sys.modules, {"cyclonedx.output.json": None}):
        done = built.run("sbom", "source-one", "--platform", "linux/amd64")
        assert done.code == 3
        assert "hint: run `pip install 'reprobuild[sbom]'`" in done.err
        assert built.run("sbom", "source-one", "--find", "alpha").code == 0


@pytest.mark.parametrize("words", [["--find", "a", "-o", "b"], ["--json"]])
def test_options_that_do_not_go_together(built: Project, words: list[str]) -> None:
    assert built.run("sbom", "source-one", *words).code == 2


def test_what_is_not_there(built: Project) -> None:
    assert built.run("sbom", "oci:nowhere").code == 2
    assert built.run("sbom", "source-one", "--platform", "linux/s390x").code == 2
