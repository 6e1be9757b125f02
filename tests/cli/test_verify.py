"""`reprobuild verify`: its five answers, for the real registry and for files; what skopeo makes of images."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reprobuild.canonical import parse_digest
from reprobuild.oci.layout import write_layout
from reprobuild.store import Store
from tests.cli.project import Done, Project
from tests.cli.test_check import edit, lock_of, wheel_of
from tests.conftest import Run
from tests.servers import RunningRegistry
from tests.verify.pairs import File, Image

SKOPEO = ("skopeo", "--insecure-policy", "copy", "-q")
FROM, TO = "--src-tls-verify=false", "--dest-tls-verify=false"
OTHER = "same content, other compression"


@pytest.fixture(scope="module")
def published(built: Project) -> Path:
    """An image layout with both connectors."""
    done = built.run("build", "--all", "--output", "oci:images")
    assert done.code == 0, done.err
    return built.root / "images"


@pytest.fixture(scope="module")
def reference(published: Path, registry: RunningRegistry, push_layout: Callable[..., None]) -> str:
    """Where source-one is, in the registry."""
    push_layout(f"{published}:source-one", f"{registry.host}/verified/one:1")
    return f"{registry.host}/verified/one:1"


@pytest.fixture
def mine(built: Project, published: Path, tmp_path: Path) -> Project:
    """A copy of the project that a test may change."""
    shutil.copytree(built.root, tmp_path / "workspace", symlinks=True)
    shutil.copytree(built.store.root, tmp_path / "store")
    environ = {**built.environ, "REPROBUILD_STORE": str(tmp_path / "store")}
    return Project(root=tmp_path / "workspace", environ=environ, index=built.index)


def answers(done: Done) -> dict[str, str]:
    return {image["platform"]: image["answer"] for image in done.json["images"]}


def both(answer: str) -> dict[str, str]:
    return {"linux/amd64": answer, "linux/arm64": answer}


def rewritten(layout: Path, target: Path, change: Callable[[dict[str, object]], None]) -> str:
    """Write an image of source-one for linux/amd64 whose config *change* has had; return its reference."""
    shutil.copytree(layout, target)
    blobs = target / "blobs" / "sha256"

    def blob(descriptor: dict[str, object]) -> dict[str, object]:
        return dict(json.loads((blobs / str(descriptor["digest"])[7:]).read_bytes()))

    def put(value: dict[str, object], media_type: str) -> dict[str, object]:
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    top = json.loads((target / "index.json").read_bytes())
    index = next(
        one for one in top["manifests"] if one["annotations"]["org.opencontainers.image.ref.name"] == "source-one"
    )
    described = next(one for one in blob(index)["manifests"] if one["platform"]["architecture"] == "amd64")  # type: ignore[attr-defined]
    manifest = blob(described)
    config = blob(manifest["config"])  # type: ignore[arg-type]
    change(config)
    manifest["config"] = put(config, "application/vnd.oci.image.config.v1+json")
    manifest["annotations"] = {}
    new = put(manifest, described["mediaType"])
    top["manifests"] = [{**new, "annotations": {"org.opencontainers.image.ref.name": "changed"}}]
    (target / "index.json").write_text(json.dumps(top))
    return f"oci:{target}:changed"


def test_what_was_pushed_as_it_is_is_identical(built: Project, reference: str) -> None:
    done = built.run("verify", reference)
    assert done.code == 0, done.err
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["identical", "linux/amd64"],
        ["identical", "linux/arm64"],
        ["identical", "index"],
    ]
    value = built.run("verify", reference, "source-one", "--json").json
    assert (value["connector"], value["answer"]) == ("source-one", "identical")
    assert all(image["published"] == image["built"] == image["recorded"] for image in value["images"])
    assert value["index"]["published"] == value["digest"]


def test_it_is_rebuilt_where_nothing_was_built(locked: Project, reference: str) -> None:
    """Another checkout, whose store has the wheels, and no image."""
    done = locked.run("verify", reference, "--json")
    assert done.code == 0, done.err
    assert answers(done) == both("identical")
    assert {image["reason"] for image in done.json["images"]} == {"the lock does not record it yet"}


def test_one_platform_alone(built: Project, reference: str, run: Run, registry: RunningRegistry) -> None:
    done = built.run("verify", reference, "--platform", "linux/arm64", "--json")
    assert answers(done) == {"linux/arm64": "identical"}
    assert done.json["index"] is None
    single = f"{registry.host}/verified/single:1"
    platform = ("--override-os=linux", "--override-arch=amd64")
    run(*SKOPEO, FROM, TO, "--preserve-digests", *platform, f"docker://{reference}", f"docker://{single}")
    assert answers(built.run("verify", single, "--json")) == {"linux/amd64": "identical"}


@pytest.mark.parametrize(
    "options",
    [("--dest-compress-format=zstd",), ("--dest-compress-format=gzip", "--dest-compress-level=9")],
    ids=["zstd", "gzip at another level"],
)
def test_what_skopeo_recompresses_is_the_same_content(
    options: tuple[str, ...],
    built: Project,
    published: Path,
    run: Run,
    registry: RunningRegistry,
    push_layout: Callable[..., None],
    tmp_path: Path,
) -> None:
    other = f"{registry.host}/verified/recompressed:{len(options)}"
    run(*SKOPEO, "--all", "--dest-decompress", f"oci:{published}:source-one", f"dir:{tmp_path}/plain")
    run(*SKOPEO, "--all", *options, f"dir:{tmp_path}/plain", f"oci:{tmp_path}/again:1")
    push_layout(f"{tmp_path}/again:1", other)
    done = built.run("verify", other, "--json")
    assert done.code == 1
    assert answers(done) == both(OTHER)
    assert all(image["published"] != image["built"] for image in done.json["images"])
    words = built.run("verify", other, "--same-content")
    assert words.code == 0
    assert "by compression only (4 layers)" in words.out, words.out


def test_dockers_media_types_are_the_same_content(
    built: Project, reference: str, run: Run, registry: RunningRegistry, tmp_path: Path
) -> None:
    """They have no annotations, so only the repository's name says which connector it is."""
    other = f"{registry.host}/docker/source-one:1"
    run(*SKOPEO, "--all", FROM, TO, "--format=v2s2", f"docker://{reference}", f"docker://{other}")
    done = built.run("verify", other, "--json")
    assert (answers(done), done.json["connector"]) == (both(OTHER), "source-one")
    run(*SKOPEO, FROM, f"docker://{reference}", f"docker-archive:{tmp_path}/one.tar:one:1")
    assert answers(built.run("verify", f"docker-archive:{tmp_path}/one.tar", "--json")) == {
        "linux/amd64": "not from this lock"
    }
    done = built.run("verify", f"docker-archive:{tmp_path}/one.tar", "source-one", "--json")
    assert answers(done) == {"linux/amd64": OTHER}, done.out


def test_what_differs_has_a_cause(built: Project, published: Path, tmp_path: Path) -> None:
    def change(config: dict[str, object]) -> None:
        config["config"]["Env"].append("TODAY=2026-11-22")  # type: ignore[index]

    done = built.run("verify", rewritten(published, tmp_path / "changed", change), "source-one")
    assert done.code == 1
    assert done.out.splitlines()[0].startswith("differs  linux/amd64  sha256:")
    assert "because environment (1 member)" in done.out
    assert len(done.out.splitlines()) <= 24


def test_each_answer_for_what_a_registry_has(
    built: Project,
    published: Path,
    reference: str,
    run: Run,
    registry: RunningRegistry,
    push_layout: Callable[..., None],
    tmp_path: Path,
) -> None:
    """The four answers, each for an image in the registry, all of them held against one lock."""
    place = f"{registry.host}/verified/answers"
    run(*SKOPEO, "--all", "--dest-decompress", f"oci:{published}:source-one", f"dir:{tmp_path}/plain")
    run(*SKOPEO, "--all", "--dest-compress-format=zstd", f"dir:{tmp_path}/plain", f"oci:{tmp_path}/again:1")
    push_layout(f"{tmp_path}/again:1", f"{place}:recompressed")
    changed = rewritten(published, tmp_path / "changed", lambda config: config["config"].update(User="1000"))  # type: ignore[attr-defined]
    run(*SKOPEO, TO, "--preserve-digests", changed, f"docker://{place}:changed")
    run(*SKOPEO, TO, "--all", "--preserve-digests", f"oci:{published}:source-two", f"docker://{place}:foreign")

    def answer(where: str, *words: str) -> tuple[int, str]:
        done = built.run("verify", where, "source-one", "--json", *words)
        assert done.json["images"], done.err
        return done.code, done.json["answer"]

    assert answer(reference) == (0, "identical")
    assert answer(f"{place}:recompressed") == (1, OTHER)
    assert answer(f"{place}:recompressed", "--same-content") == (0, OTHER)
    assert answer(f"{place}:changed") == (1, "differs")
    assert "because user (1 member)" in built.run("verify", f"{place}:changed", "source-one").out
    assert answer(f"{place}:foreign") == (1, "not from this lock")


def test_another_version_is_not_from_this_lock(mine: Project, reference: str) -> None:
    """The lock of a connector has moved on; what is published has not."""
    edit(mine.root / "pyproject.toml", 'entrypoint = ["source-one"]', 'entrypoint = ["source-one"]\nversion = "2.0"')
    assert mine.run("lock", "update").code == 0
    done = mine.run("verify", reference, "--json")
    assert (done.code, answers(done)) == (1, both(OTHER)), "it says no version"
    assert mine.run("build", "--all", "--output", "oci:newer").code == 0
    edit(mine.root / "pyproject.toml", 'version = "2.0"', 'version = "3.0"')
    done = mine.run("verify", "oci:newer:source-one", "--json")
    assert answers(done) == both("not from this lock")
    assert "it is version 2.0, lock/pylock.source-one.toml is of 3.0" in done.json["images"][0]["reason"]


def test_another_connector_is_not_from_this_lock(built: Project, published: Path) -> None:
    done = built.run("verify", f"oci:{published}:source-two", "source-one", "--json")
    assert (done.code, answers(done)) == (1, both("not from this lock"))
    assert done.json["images"][0]["reason"] == "it says that it is source-two"


def test_a_stranger_is_not_from_this_lock(built: Project, tmp_path: Path) -> None:
    store = Store(tmp_path / "made")
    root = Image(files=[File(path="one", data=b"1")]).add(store)
    write_layout(tmp_path / "stranger", entries=[(root, "t")], store=store)
    done = built.run("verify", f"oci:{tmp_path}/stranger:t", "--json")
    assert (done.code, answers(done)) == (1, {"linux/amd64": "not from this lock"})
    assert done.json["connector"] is None
    named = built.run("verify", f"oci:{tmp_path}/stranger:t", "source-one", "--json")
    assert answers(named) == {"linux/amd64": "not from this lock"}
    assert "does not stand on the base image" in named.json["images"][0]["reason"]


def test_what_cannot_be_rebuilt_is_unknown(mine: Project, reference: str) -> None:
    for path in (mine.store.root / "records").rglob("*"):
        if path.is_file():
            path.unlink()
    wheel_of(mine, "beam").unlink()
    # Another test may have placed wheels beside the locks of the project that this one is a copy of.
    shutil.rmtree(mine.root / "lock" / "wheels", ignore_errors=True)
    alpha = lock_of(mine, "source-one").read_text().partition('sha256 = "')[2][:64]
    mine.store.path(parse_digest(f"sha256:{alpha}")).unlink()
    done = mine.run("verify", reference, "--offline", "--json")
    assert (done.code, answers(done)) == (1, both("unknown"))
    assert "it cannot be rebuilt here: 1 wheels are not in the store" in done.json["images"][0]["reason"]
    assert "reprobuild fetch" in done.json["images"][0]["hint"]


def test_a_platform_that_the_lock_lacks_is_unknown(built: Project, published: Path, tmp_path: Path) -> None:
    reference = rewritten(published, tmp_path / "other", lambda config: config.update(architecture="s390x"))
    done = built.run("verify", reference, "source-one", "--json")
    assert (done.code, answers(done)) == (1, {"linux/s390x": "unknown"})
    assert "the lock is for linux/amd64, linux/arm64, not for linux/s390x" in done.json["images"][0]["reason"]


def test_a_platform_that_is_not_published_makes_another_index(mine: Project) -> None:
    done = mine.run("build", "source-one", "--platform", "linux/amd64", "--output", "oci:half")
    assert done.code == 0, done.err
    done = mine.run("verify", "oci:half", "--json")
    assert (done.code, answers(done)) == (1, {"linux/amd64": "identical"})
    assert done.json["index"]["answer"] == "differs"
    assert [one["cause"] for one in done.json["index"]["difference"]["causes"]] == ["platform"]
    assert done.json["index"]["hint"] == "with --platform the index is left aside"
    assert mine.run("verify", "oci:half", "--platform", "linux/amd64").code == 0


def test_a_recorded_digest_that_does_not_come_out_again(mine: Project, reference: str) -> None:
    """What is published is what the lock gives; what the lock records is neither."""
    digest = mine.run("verify", reference, "--json").json["images"][0]["recorded"]
    edit(lock_of(mine, "source-one"), digest, "sha256:" + "1" * 64)
    done = mine.run("verify", reference, "--json")
    assert answers(done) == both("identical")
    assert "the lock records sha256:1111" in done.json["images"][0]["reason"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("oci:nowhere",), 2, "there is no"),
        (("oci:nowhere", "source-nine"), 2, "there is no connector 'source-nine'"),
        (("UPPER CASE",), 2, "not an image reference"),
    ],
)
def test_what_is_not_there(built: Project, words: tuple[str, ...], code: int, told: str) -> None:
    done = built.run("verify", *words)
    assert (done.code, done.out) == (code, "")
    assert told in done.err


def test_a_tag_that_does_not_exist_and_one_that_wants_credentials(
    built: Project, registry: RunningRegistry, registry_basic: RunningRegistry
) -> None:
    gone = built.run("verify", f"{registry.host}/verified/one:gone")
    assert (gone.code, gone.out) == (2, "")
    private = built.run("verify", f"{registry_basic.host}/private:1")
    assert (private.code, private.out) == (4, "")


def test_a_file_that_was_cut_short_is_not_identical(built: Project, published: Path, tmp_path: Path) -> None:
    """Its manifest has the digest that the lock gives, and one of its layers is not there whole."""
    shutil.copytree(published, tmp_path / "cut")
    blobs = tmp_path / "cut" / "blobs" / "sha256"
    image = built.run("verify", f"oci:{published}:source-one", "--json").json["images"][0]
    layer = json.loads((blobs / image["published"][7:]).read_bytes())["layers"][-1]["digest"][7:]
    whole = (blobs / layer).read_bytes()
    for data in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        (blobs / layer).write_bytes(data)
        done = built.run("verify", f"oci:{tmp_path}/cut:source-one", "--json")
        assert (done.code, done.out) == (1, "")
        assert f"error: oci:{tmp_path}/cut:source-one: " in done.err
        assert layer in done.err


def test_a_layer_that_is_not_what_it_claims(built: Project, published: Path, tmp_path: Path) -> None:
    """The config says the diffIDs that the lock gives, and the layers are others."""
    reference = rewritten(published, tmp_path / "liar", lambda config: config.update(created="2020-01-01T00:00:00Z"))
    manifest_digest = json.loads((tmp_path / "liar" / "index.json").read_bytes())["manifests"][0]["digest"]
    blobs = tmp_path / "liar" / "blobs" / "sha256"
    manifest = json.loads((blobs / manifest_digest[7:]).read_bytes())
    layer = manifest["layers"][-1]["digest"][7:]
    (blobs / layer).write_bytes((blobs / layer).read_bytes()[:-1])
    done = built.run("verify", reference, "source-one", "--json")
    assert done.code == 1
    assert answers(done)["linux/amd64"] in {"differs", "unknown"}
