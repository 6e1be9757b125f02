"""What is signed beside an image in the real registry: who may say what of it, and what verify makes of that."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.project import Project
from tests.servers import RunningRegistry


def _keys(folder: Path, name: str) -> tuple[str, str]:
    """Make a private key and a public one, as people do."""
    if shutil.which("openssl") is None:
        pytest.fail("openssl is missing: apt-get install openssl")
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return str(private), str(public)


@pytest.fixture
def place(registry: RunningRegistry, tmp_path: Path, built: Project) -> str:
    """Where source-one is pushed to, for one test."""
    name = f"{registry.host}/attested/{tmp_path.name.replace('_', '-').strip('-').lower()}"
    done = built.run("push", "source-one", f"{name}:1", "--unrecorded")
    assert done.code == 0, done.err
    return name


def _answers(done: object) -> list[tuple[str, list[str]]]:
    images = done.json["images"]  # type: ignore[attr-defined]
    return [(one["answer"], [item["answer"] for item in one["attestations"]]) for one in images]


def test_signed_provenance_beside_an_image_is_found_and_believed(built: Project, place: str, tmp_path: Path) -> None:
    private, public = _keys(tmp_path, "ours")
    _, others = _keys(tmp_path, "others")
    missing = built.run("verify", f"{place}:1", "--key", public)
    assert missing.code == 1
    assert "not attested" in missing.out
    attested = built.run("attest", "source-one", "--key", private, "--to", place, "--builder", "https://ci.test/1")
    assert attested.code == 0, attested.err
    assert attested.err.count("pushed source-one-linux-") == 2
    done = built.run("verify", f"{place}:1", "--key", public)
    assert done.code == 0, done.out
    assert done.out.count(f"attested: provenance by https://ci.test/1, signed with {public}") == 2
    wrong = built.run("verify", f"{place}:1", "--key", others, "--json")
    assert wrong.code == 1
    assert _answers(wrong) == [("identical", ["not by these keys"])] * 2
    either = built.run("verify", f"{place}:1", "--key", others, "--key", public, "--json")
    assert either.code == 0
    assert either.json["images"][0]["attestations"][0]["key"] == public


def test_a_rebuild_is_attested_beside_what_was_there_before(built: Project, place: str, tmp_path: Path) -> None:
    private, public = _keys(tmp_path, "ours")
    rebuilder, rebuilders = _keys(tmp_path, "rebuilder")
    built.run("attest", "source-one", "--key", private, "--to", place)
    words = ("verify", f"{place}:1", "--attest", str(tmp_path / "out"), "--sign", rebuilder, "--push")
    done = built.run(*words, "--builder", "https://rebuilder.test")
    assert done.code == 0, done.err
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"source-one-linux-{name}.rebuild.dsse.json" for name in ("amd64", "arm64")]
    both = built.run("verify", f"{place}:1", "--key", public, "--key", rebuilders, "--json")
    assert both.code == 0
    for image in both.json["images"]:
        assert [(one["kind"], one["answer"]) for one in image["attestations"]] == [
            ("provenance", "good"),
            ("rebuild", "good"),
        ] or {one["kind"] for one in image["attestations"]} == {"provenance", "rebuild"}
    plain = built.run("verify", f"{place}:1", "--attest", str(tmp_path / "plain"))
    assert plain.code == 0
    statement = json.loads((tmp_path / "plain" / "source-one-linux-amd64.rebuild.json").read_bytes())
    assert statement["predicate"]["result"]["answer"] == "identical"


def test_a_document_about_another_image_is_named(built: Project, place: str, tmp_path: Path) -> None:
    private, public = _keys(tmp_path, "ours")
    built.run("attest", "source-two", "--key", private, "-o", str(tmp_path / "two"))
    other = tmp_path / "two" / "source-two-linux-amd64.provenance.dsse.json"
    done = built.run("verify", f"{place}:1", "--key", public, "--attestation", str(other))
    assert done.code == 1
    assert "but of another image: it is about sha256:" in done.out
    damaged = tmp_path / "damaged.json"
    value = json.loads(other.read_bytes())
    value["payload"] = value["payload"][:-8] + "AAAAAAA="
    damaged.write_text(json.dumps(value))
    assert (
        _answers(built.run("verify", f"{place}:1", "--key", public, "--attestation", str(damaged), "--json"))
        == [("identical", ["not by these keys"])] * 2
    )


def test_what_is_not_there_cannot_be_attested_there(built: Project, registry: RunningRegistry, tmp_path: Path) -> None:
    private, _ = _keys(tmp_path, "ours")
    done = built.run("attest", "source-one", "--key", private, "--to", f"{registry.host}/attested/nothing")
    assert done.code == 1
    assert "is not there" in done.err
    assert "hint: push the image first" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--attestation", "x.json"), "--attestation: nobody can tell whose it is"),
        (("--key", "nothing.pub"), "nothing.pub: there is no such key"),
        (("--attest", "out", "--builder", "nobody"), "--builder: not a URI"),
        (("--push",), "--push: what is not in a registry has nothing beside it"),
    ],
)
def test_options_that_make_no_sense(built: Project, words: tuple[str, ...], said: str) -> None:
    done = built.run("verify", "oci:images:source-one", *words)
    assert done.code == 2
    assert said in done.err
