"""CycloneDX: valid by its published schema, and the same bytes whoever writes it and when."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reprobuild.canonical import digest_of
from reprobuild.errors import MachineError
from reprobuild.oci.layout import write_layout
from reprobuild.sbom.component import Component
from reprobuild.sbom.document import sbom_document
from reprobuild.sbom.purl import purl
from reprobuild.store import Store
from tests.contract.test_packages import APK, DPKG
from tests.endtoend.pythons import find_python, install
from tests.image.test_rpm import database, header
from tests.resolver.base_images import file, image, python_org
from tests.sbom.images import DEBIAN, SITE, metadata
from tests.sbom.inventories import BASE, INVENTORY

ROOT = Path(__file__).parents[2]
_PRINT = """
import sys
from reprobuild.sbom.document import sbom_document
from tests.sbom.inventories import INVENTORY
sys.stdout.buffer.write(sbom_document(INVENTORY))
"""

MANIFOLD = image(
    [
        DEBIAN,
        *python_org(),
        file("var/lib/dpkg/status", DPKG),
        file("lib/apk/db/installed", APK),
        file("var/lib/rpm/rpmdb.sqlite", database(header())),
    ],
    [
        metadata("plain", "1.0", "License: Größe \U0001fae8"),
        metadata("folded", "2.0", "License: BSD", "        3-Clause", "Summary: =?utf-8?q?a?="),
        file(f"{SITE}/latin-3.dist-info/METADATA", b"Name: latin\nVersion: 3\nAuthor: \xe9\nLicense-Expression: MIT\n"),
        metadata("twice", "4.0", "License: MIT", "License: BSD", "Classifier: License :: OSI Approved :: MIT License"),
    ],
)
DOCUMENT = sbom_document(INVENTORY)


def written(python: Path, *, seed: str) -> bytes:
    """Return what another process, of *python*, writes elsewhere."""
    environ = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed, "TZ": "XYZ-13:45", "LC_ALL": "POSIX"}
    return subprocess.run([python, "-c", _PRINT], env=environ, capture_output=True, check=True).stdout


def problems(data: bytes) -> Any:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode())


def by_name(data: bytes) -> dict[str, Any]:
    return {one["name"]: one for one in json.loads(data)["components"]}


def test_it_is_valid() -> None:
    assert problems(DOCUMENT) is None
    assert problems(sbom_document(replace(INVENTORY, components=(), created=None, purl="", unread=()))) is None
    assert problems(b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": "no"}') is not None


def test_what_it_says_of_the_image() -> None:
    value = json.loads(DOCUMENT)
    image = value["metadata"]["component"]
    assert (image["name"], image["version"], image["type"]) == ("source-one", "1.2.3", "container")
    assert image["hashes"] == [{"alg": "SHA-256", "content": INVENTORY.manifest.removeprefix("sha256:")}]
    assert image["properties"] == [{"name": "reprobuild:platform", "value": "linux/amd64"}]
    assert value["metadata"]["timestamp"] == "1980-01-01T00:00:00+00:00"
    assert value["metadata"]["properties"] == [{"name": "reprobuild:unread", "value": INVENTORY.unread[0]}]
    assert {one["ref"] for one in value["dependencies"]} >= {INVENTORY.manifest}
    assert value["specVersion"] == "1.6"


def test_what_it_says_of_components() -> None:
    found = by_name(DOCUMENT)
    idna = found["idna"]
    assert idna["purl"] == idna["bom-ref"] == "pkg:pypi/idna@3.7"
    assert idna["hashes"] == [{"alg": "SHA-256", "content": digest_of(b"wheel").removeprefix("sha256:")}]
    locations = [one["location"] for one in idna["evidence"]["occurrences"]]
    assert locations == ["/srv/idna-3.7.dist-info", "/usr/lib/idna-3.7.dist-info"]
    assert idna["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]
    assert found["six"]["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert found["a"]["licenses"] == [{"license": {"name": "see file é"}}]
    assert found["oci:base:python"]["type"] == "container"
    assert "version" not in found["debian"]


def test_without_a_time_of_the_image_there_is_none() -> None:
    assert "timestamp" not in json.loads(sbom_document(replace(INVENTORY, created=None)))["metadata"]


def test_each_component_has_a_reference_of_its_own() -> None:
    refs = [one["bom-ref"] for one in json.loads(DOCUMENT)["components"]]
    assert len(set(refs)) == len(INVENTORY.components)


def test_serial_numbers_follow_the_image() -> None:
    first, again = (json.loads(sbom_document(INVENTORY))["serialNumber"] for _ in range(2))
    other = json.loads(sbom_document(replace(INVENTORY, manifest=BASE)))["serialNumber"]
    assert first == again != other


def test_other_runs_give_equal_bytes() -> None:
    assert written(Path(sys.executable), seed="1") == written(Path(sys.executable), seed="2") == DOCUMENT


@pytest.fixture(scope="module", params=["3.11", "3.12", "3.13", "3.14"])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has reprobuild with its extra."""
    found = find_python(request.param)
    if found is None:
        pytest.skip(f"this machine has no Python {request.param}")
    return install(found, tmp_path_factory.mktemp("python") / request.param, f"reprobuild[sbom] @ {ROOT.as_uri()}")


def test_other_pythons_give_equal_bytes(python: Path) -> None:
    assert written(python, seed="3") == DOCUMENT


def test_other_pythons_read_an_image_alike(python: Path, tmp_path: Path) -> None:
    """With databases of dpkg, apk and rpm, and metadata in many forms: from its layers to the document's bytes."""
    made = Store(tmp_path / "made")
    write_layout(tmp_path / "layout", entries=[(replace(MANIFOLD.add(made), platform=None), "one")], store=made)
    found = []
    for number, program in enumerate((Path(sys.executable), python)):
        environ = {"PYTHONHASHSEED": f"{number}", "REPROBUILD_STORE": str(tmp_path / f"store{number}")}
        command = [program, "-m", "reprobuild", "-C", tmp_path, "-q", "sbom", f"oci:{tmp_path / 'layout'}:one"]
        done = subprocess.run(command, env={**environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        found.append(done.stdout)
    assert found[0] == found[1]
    assert problems(found[0]) is None
    kinds = {one["purl"].partition("/")[0] for one in by_name(found[0]).values() if "purl" in one}
    assert kinds == {"pkg:apk", "pkg:deb", "pkg:generic", "pkg:pypi", "pkg:rpm"}


def test_without_the_library_it_says_what_to_install() -> None:
    with mock.patch.dict(sys.modules, {"cyclonedx.output.json": None}), pytest.raises(MachineError) as error:
        sbom_document(INVENTORY)
    assert error.value.hint == "run `pip install 'reprobuild[sbom]'`"


TEXT = st.text(min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(TEXT, TEXT, TEXT, TEXT, TEXT)
@example(name="/", version="0", namespace="0", text="0", path="0")
@example(name=" / a/", version="0", namespace="0", text="0", path="0")
@example(name="\r", version="0", namespace="0", text="0", path="0")
def test_whatever_an_image_says_the_document_is_valid(
    name: str, version: str, namespace: str, text: str, path: str
) -> None:
    component = Component(
        kind="package",
        name=name,
        version=version,
        purl=purl("deb", name, version, namespace=namespace, qualifiers={"arch": text, "distro": namespace}),
        license=text,
        paths=(path,),
    )
    data = sbom_document(replace(INVENTORY, components=(component,), name=name, version=version, unread=(text,)))
    assert problems(data) is None
    assert json.loads(data)["components"][0]["name"] == name
