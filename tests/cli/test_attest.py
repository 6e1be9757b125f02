"""`reprobuild attest`: statements of what has been built, signed or not."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from reprobuild.provenance.envelope import open_envelope, public_key
from reprobuild.provenance.statement import parse_statement
from tests.cli.project import Project
from tests.provenance.published import check_provenance


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key, and a public one beside it, as people make them."""
    if shutil.which("openssl") is None:
        pytest.fail("openssl is missing: apt-get install openssl")
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return private


def test_each_image_has_a_statement(built: Project) -> None:
    done = built.run("attest", "source-one", "source-two", "-o", "statements")
    assert (done.code, done.out) == (0, "")
    folder = built.root / "statements"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{name}-linux-{architecture}.provenance.json"
        for name in ("source-one", "source-two")
        for architecture in ("amd64", "arm64")
    ]
    images = built.run("build", "source-one", "--json").json["connectors"][0]["images"]
    data = (folder / "source-one-linux-amd64.provenance.json").read_bytes()
    check_provenance(json.loads(data))
    statement = parse_statement(data)
    assert statement.subject == images[0]["manifest"]["digest"]
    derivation = statement.predicate["buildDefinition"]["internalParameters"]["derivation"]["sha256"]
    assert f"sha256:{derivation}" == images[0]["derivation"]


def test_a_signed_statement_is_the_same_statement(built: Project, key: Path) -> None:
    words = ("attest", "source-one", "--platform", "linux/amd64", "-o", "out")
    assert built.run(*words).code == 0
    assert built.run(*words, "--key", str(key)).code == 0
    assert built.run("-q", *words, "-o", "again", REPROBUILD_KEY=str(key)).err == ""
    plain = (built.root / "out" / "source-one-linux-amd64.provenance.json").read_bytes()
    signed = (built.root / "out" / "source-one-linux-amd64.provenance.dsse.json").read_bytes()
    assert (built.root / "again" / "source-one-linux-amd64.provenance.dsse.json").read_bytes() == signed
    public = public_key(key.with_suffix(".pub").read_bytes(), where="key.pub")
    assert open_envelope(signed, [public]) == plain


def test_who_and_when_are_said_on_demand(built: Project, tmp_path: Path) -> None:
    uri = "https://ci.example.org/images"
    assert built.run("attest", "source-one", "--builder", uri, "--time", "-o", str(tmp_path)).code == 0
    value = json.loads((tmp_path / "source-one-linux-arm64.provenance.json").read_bytes())
    details = value["predicate"]["runDetails"]
    assert details["builder"]["id"] == uri
    assert details["metadata"]["finishedOn"].endswith("Z")
    assert "not a URI" in built.run("attest", "source-one", "--builder", "me").err


def test_what_has_not_been_built(locked: Project) -> None:
    done = locked.run("attest", "source-one")
    assert done.code == 2
    assert "run `reprobuild build source-one` first" in done.err
    assert not list(locked.root.glob("*.provenance.json"))


def test_keys_that_do_not_do(built: Project, key: Path, tmp_path: Path) -> None:
    assert built.run("attest", "source-one", "--key", "nowhere").code == 2
    done = built.run("attest", "source-one", "-o", "none", "--key", str(key.with_suffix(".pub")))
    assert (done.code, "not a private key" in done.err) == (2, True)
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", locked]
    subprocess.run(command, check=True)
    with mock.patch.object(sys, "stdin", io.StringIO()):
        done = built.run("attest", "source-one", "-o", "none", "--key", str(locked))
    assert (done.code, "the key is encrypted" in done.err) == (2, True)
    assert not (built.root / "none").exists()
