"""Statements: valid by the published schemas, with every input, and the same bytes each time."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from reprobuild.builder.hook import Hook
from reprobuild.canonical import canonical_json, digest_of, hex_of
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError
from reprobuild.lockfile import LockedInput, Package, Sdist, Wheel
from reprobuild.provenance.materials import files_digest, materials
from reprobuild.provenance.statement import REBUILD, Answer, parse_statement, provenance, rebuild_statement
from reprobuild.store import Store
from tests.builder.images import AMD64, put_derivation
from tests.provenance.published import check_provenance, check_statement

IMAGE = digest_of(b"image")


@pytest.fixture
def derivation(store: Store, tmp_path: Path) -> Derivation:
    return put_derivation(store, tmp_path)


def hooked(derivation: Derivation, *, network: bool = False) -> Derivation:
    return replace(
        derivation,
        hooks=(Hook(kind="post-install", source=Path("x"), digest=digest_of(b"hook")),),
        inputs=(LockedInput(name="data.csv", size=3, digest=digest_of(b"csv")),),
        secrets=("TOKEN",),
        network=network,
    )


def dependencies(value: dict[str, Any]) -> dict[str, Any]:
    found = value["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert len({one["name"] for one in found}) == len(found)
    return {one["name"]: one for one in found}


def test_provenance_is_valid(derivation: Derivation) -> None:
    for one in (derivation, hooked(derivation)):
        check_provenance(json.loads(provenance(one, IMAGE, finished=datetime.now(UTC)).data))


def test_the_schema_is_strict(derivation: Derivation) -> None:
    value = json.loads(provenance(derivation, IMAGE).data)
    with pytest.raises(Exception, match="no field named"):
        check_provenance({**value, "predicate": {**value["predicate"], "materials": []}})


def test_every_input_is_a_dependency(derivation: Derivation) -> None:
    value = json.loads(provenance(hooked(derivation), IMAGE).data)
    found = dependencies(value)
    wheels = [wheel.file for wheel in derivation.installed]
    assert list(found) == [
        "docker.io/library/python:3.11",
        *wheels,
        "files",
        "hooks/post-install",
        "input data.csv",
    ]
    base = found["docker.io/library/python:3.11"]
    manifest = derivation.base_platform.manifest
    assert base["digest"] == {"sha256": hex_of(manifest)}
    assert base["uri"] == f"pkg:oci/python@{manifest}?arch=amd64&repository_url=docker.io%2Flibrary%2Fpython"
    assert found["alpha-1.0-py3-none-any.whl"] == {
        "name": "alpha-1.0-py3-none-any.whl",
        "uri": "pkg:pypi/alpha@1.0?file_name=alpha-1.0-py3-none-any.whl",
        "digest": {"sha256": hex_of(derivation.wheels[0].digest)},
    }
    assert found["files"]["digest"] == {"sha256": hex_of(files_digest(derivation))}
    assert found["hooks/post-install"]["digest"] == {"sha256": hex_of(digest_of(b"hook"))}
    assert found["input data.csv"]["digest"] == {"sha256": hex_of(digest_of(b"csv"))}


def test_a_base_on_disk_has_a_name_and_a_digest(derivation: Derivation) -> None:
    base = replace(derivation.base, image="oci:base:python")
    found = materials(replace(derivation, base=base))[0]
    assert found["name"] == "oci:base:python"
    assert "uri" not in found


def test_what_a_wheel_was_built_from(derivation: Derivation) -> None:
    alpha, beta = derivation.wheels
    builder = replace(derivation.base, name="builder", image="oci:base:builder")
    tool = Wheel(file="setuptools-80.0-py3-none-any.whl", size=1, digest=digest_of(b"setuptools"))
    other = Wheel(file="tool-1-cp311-cp311-manylinux_2_17_aarch64.whl", size=1, digest=digest_of(b"tool"))
    sdist = Sdist(
        file="alpha-1.0.tar.gz", size=9, digest=digest_of(b"sdist"), builder="builder", requires=(tool, other)
    )
    packages = [
        Package(name="alpha", version="1.0", wheels=(alpha,), sdist=sdist),
        Package(name="beta", version="1.0", wheels=(beta,)),
    ]
    value = json.loads(provenance(derivation, IMAGE, packages=packages, bases={"builder": builder}).data)
    check_provenance(value)
    found = dependencies(value)
    assert found["alpha-1.0.tar.gz"]["uri"] == "pkg:pypi/alpha@1.0?file_name=alpha-1.0.tar.gz"
    assert found["setuptools-80.0-py3-none-any.whl"]["digest"] == {"sha256": hex_of(tool.digest)}
    assert "oci:base:builder" in found
    assert other.file not in found


def test_what_is_said_of_the_build(derivation: Derivation) -> None:
    value = json.loads(provenance(hooked(derivation), IMAGE, builder="https://ci.example.org/images").data)
    definition, details = value["predicate"]["buildDefinition"], value["predicate"]["runDetails"]
    assert value["subject"] == [{"name": "source-demo", "digest": {"sha256": hex_of(IMAGE)}}]
    assert definition["externalParameters"] == {"connector": "source-demo", "platform": "linux/amd64", "format": 3}
    assert definition["internalParameters"]["derivation"] == {"sha256": hex_of(hooked(derivation).digest)}
    assert definition["internalParameters"]["secrets"] == ["TOKEN"]
    assert details["builder"]["id"] == "https://ci.example.org/images"
    assert "metadata" not in details


def test_hooks_with_the_network_are_not_hermetic(derivation: Derivation) -> None:
    def hermetic(one: Derivation) -> bool:
        parameters = provenance(one, IMAGE).predicate["buildDefinition"]["internalParameters"]
        return bool(parameters["hermetic"])

    assert hermetic(derivation)
    assert hermetic(replace(derivation, network=True))  # There is nobody to use it.
    assert hermetic(hooked(derivation))
    assert not hermetic(hooked(derivation, network=True))


def test_equal_builds_give_equal_bytes(derivation: Derivation) -> None:
    assert provenance(derivation, IMAGE).data == provenance(derivation, IMAGE).data
    moved = replace(derivation, files=derivation.files[::-1])
    assert files_digest(moved) == files_digest(derivation)
    assert provenance(derivation, IMAGE).data != provenance(derivation, digest_of(b"other")).data


def test_a_time_is_told_if_it_is_given(derivation: Derivation) -> None:
    when = datetime(2030, 1, 1, 1, 0, 0, tzinfo=timezone(timedelta(hours=1)))
    value = provenance(derivation, IMAGE, finished=when).predicate
    assert value["runDetails"]["metadata"] == {"finishedOn": "2030-01-01T00:00:00Z"}


def rebuilt(answer: Answer, digest: str, **more: Any) -> dict[str, Any]:
    statement = rebuild_statement(
        name="registry.example/one",
        published=IMAGE,
        derivation=digest_of(b"derivation"),
        platform=AMD64,
        rebuilt=digest_of(digest.encode()),
        answer=answer,
        format=2,
        **more,
    )
    value: dict[str, Any] = json.loads(statement.data)
    return value


def test_a_rebuild() -> None:
    value = rebuilt(
        "identical", "image", rebuilder="https://someone.example", finished=datetime(2030, 1, 1, tzinfo=UTC)
    )
    check_statement(value)
    assert value["predicateType"] == REBUILD
    assert value["subject"] == [{"name": "registry.example/one", "digest": {"sha256": hex_of(IMAGE)}}]
    assert value["predicate"]["rebuilder"]["id"] == "https://someone.example"
    assert value["predicate"]["result"] == {"answer": "identical", "digest": {"sha256": hex_of(IMAGE)}}
    assert value["predicate"]["finishedOn"] == "2030-01-01T00:00:00Z"
    assert rebuilt("same content, other compression", "other")["predicate"]["result"]["answer"].startswith("same")


@pytest.mark.parametrize(("answer", "digest"), [("identical", "other"), ("differs", "image")])
def test_an_answer_does_not_contradict_the_digests(answer: Answer, digest: str) -> None:
    with pytest.raises(ValueError, match="sha256"):
        rebuilt(answer, digest)


def test_statements_are_read_back(derivation: Derivation) -> None:
    statement = provenance(derivation, IMAGE)
    assert parse_statement(statement.data) == statement


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"subject": []},
        {"subject": [1]},
        {"subject": [{"name": "x", "digest": {"sha1": "0"}}]},
        {"subject": [{"name": 1, "digest": {"sha256": hex_of(IMAGE)}}]},
        {"predicate": None},
        {"predicateType": None},
    ],
)
def test_what_is_no_statement(derivation: Derivation, change: dict[str, Any]) -> None:
    value = {**provenance(derivation, IMAGE).to_json(), **change}
    with pytest.raises(ContentError):
        parse_statement(canonical_json(value))
