"""`reprobuild push`, `pull` and `copy` against the real Distribution registry."""

import json
import re
import signal
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from reprobuild.canonical import Digest
from reprobuild.oci.types import parse_index, parse_manifest
from tests.cli.project import SPECIFICATION, Project
from tests.conftest import Run
from tests.servers import Exchange, RunningRegistry, docker_registry, serve
from tests.small_registry import small_registry

NAMES = ("source-one", "source-two")


@pytest.fixture
def place(registry: RunningRegistry, tmp_path: Path) -> str:
    """A path in the registry that only this test uses, with a slash."""
    return f"{registry.host}/{tmp_path.name.replace('_', '-').strip('-').lower()}/"


def _indexes(project: Project) -> dict[str, Digest]:
    connectors = project.run("build", "--all", "--json").json["connectors"]
    return {one["name"]: Digest(one["index"]["digest"]) for one in connectors}


def _sizes(project: Project, index: Digest) -> dict[str, int]:
    """Return the blobs of an image with their sizes."""
    store, sizes = project.store, {}
    for one in parse_index(store.read(index)).manifests:
        manifest = parse_manifest(store.read(one.digest))
        sizes |= {blob.digest: blob.size for blob in (manifest.config, *manifest.layers)}
    return sizes


def _uploaded(registry: RunningRegistry, name: str) -> set[str]:
    """Return the digests of the blobs that *name* was sent, as the registry's log has them."""
    targets = registry.asked("PUT", f"/{name}/blobs/uploads/")
    return {urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)["digest"][0] for target in targets}


def test_every_connector_goes_there_and_back_with_its_digest(
    built: Project, place: str, tmp_path: Path, run: Run
) -> None:
    indexes = _indexes(built)
    done = built.run("push", "--all", place, "--tag", "1.0", "--json")
    assert done.code == 0, done.err
    assert {one["name"]: one["index"]["digest"] for one in done.json["pushed"]} == indexes
    for name, digest in indexes.items():
        image = f"{place}{name}:1.0"
        pulled = built.run("pull", image, f"oci:{tmp_path}/layout")
        assert pulled.out.split()[-1] == digest
        assert built.run("pull", image, f"oci-archive:{tmp_path}/{name}.tar").out.split()[-1] == digest
        for where in (f"docker://{image}", f"oci-archive:{tmp_path}/{name}.tar"):
            assert run("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", where).strip() == digest


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[RunningRegistry]:
    """A registry that nobody has pushed to."""
    folder = tmp_path / "registry"
    folder.mkdir()
    with docker_registry(folder) as running:
        yield running


def test_a_second_connector_uploads_only_what_is_new(built: Project, empty: RunningRegistry) -> None:
    place = f"{empty.host}/acme/"
    one, two = (_sizes(built, digest) for _, digest in sorted(_indexes(built).items()))
    first = built.run("push", "source-one", place, "--tag", "1", "--json").json["pushed"][0]
    # In a run of its own: the store remembers what is where.
    second = built.run("push", "source-two", place, "--tag", "1", "--json").json["pushed"][0]
    assert _uploaded(empty, "acme/source-one") == set(one)
    assert _uploaded(empty, "acme/source-two") == set(two) - set(one)
    assert first["uploaded"] == sum(one.values())
    assert second["uploaded"] == sum(size for digest, size in two.items() if digest not in one)
    assert second["mounted"] == sum(size for digest, size in two.items() if digest in one) > 0
    again = built.run("push", "source-two", place, "--tag", "1", "--json").json["pushed"][0]
    assert (again["uploaded"], again["mounted"], again["tags"]) == (0, 0, {"1": "there"})


def test_a_version_is_not_moved_and_main_is(built: Project, place: str) -> None:
    assert built.run("push", "source-one", f"{place}x:1.0", "--tag", "main").code == 0
    done = built.run("push", "source-two", f"{place}x:1.0")
    assert done.code == 1
    assert "the tag is there with other content" in done.err
    assert "--force" in done.err
    assert built.run("push", "source-two", f"{place}x", "--tag", "main").out.startswith("moved")
    assert built.run("push", "source-two", f"{place}x:1.0", "--force").out.startswith("moved")


def test_latest_is_for_releases(built: Project, place: str) -> None:
    root = built.root / "pyproject.toml"
    before = root.read_text()
    try:
        for version, tags in (("1.2", {"1.2", "latest"}), ("1.3rc1", {"1.3rc1"})):
            built.specify(
                SPECIFICATION.replace('requirements = ["alpha"]', f'requirements = ["alpha"]\nversion = "{version}"')
            )
            done = built.run("push", "source-one", place, "--latest", "--json", "--unrecorded")
            if done.code == 2 and "is not built" in done.err:
                assert built.run("build", "source-one").code == 0
                done = built.run("push", "source-one", place, "--latest", "--json", "--unrecorded")
            assert set(done.json["pushed"][0]["tags"]) == tags
        # Not even by its name.
        for words in ((place, "--tag", "1.3rc1", "--tag", "latest"), (f"{place}source-one:latest",)):
            done = built.run("push", "source-one", *words, "--unrecorded")
            assert (done.code, "1.3rc1 is no release" in done.err) == (2, True)
        done = built.run("push", "source-one", f"{place}source-one:latest", "--unrecorded", "--force")
        assert done.out.startswith("moved")
    finally:
        root.write_text(before)


def test_where_to_is_specified(built: Project, place: str) -> None:
    root = built.root / "pyproject.toml"
    before = root.read_text()
    try:
        namespace = place.rstrip("/")
        text = SPECIFICATION.replace("[tool.reprobuild]\n", f'[tool.reprobuild]\nnamespace = "{namespace}"\n')
        built.specify(
            text.replace('requirements = ["beam"]', f'requirements = ["beam"]\nrepository = "{namespace}/other"')
        )
        done = built.run("push", "--all", "--tag", "7", "--json")
        assert [one["repository"] for one in done.json["pushed"]] == [f"{namespace}/source-one", f"{namespace}/other"]
    finally:
        root.write_text(before)


def test_what_is_not_built_is_not_pushed(locked: Project, place: str) -> None:
    done = locked.run("push", "source-one", place, "--tag", "1")
    assert done.code == 2
    assert "is not built" in done.err
    assert "hint: run `reprobuild build source-one`" in done.err
    assert locked.run("build", "source-one").code == 0
    done = locked.run("push", "source-one", place, "--tag", "1")
    assert done.code == 2
    assert "no lock records what was built" in done.err
    assert locked.run("push", "source-one", place, "--tag", "1", "--unrecorded").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["source-one"], "says nowhere where it is pushed to"),
        (["source-one", "localhost:1/x"], "has no version that could be its tag"),
        (["source-one", "source-two", "localhost:1/x:1"], "one repository for several connectors"),
        (["--all", "localhost:1/x:1"], "end it with a slash"),
        (["--all", "source-one"], "--all is every connector already"),
        (["source-one", "localhost:1/x", "--tag", "a+b"], "cannot be a tag"),
        (["source-one", "localhost:1/x@sha256:" + "0" * 64], "no say in the digest"),
        (["source-one", "oci:there"], "reprobuild build source-one --output oci:there"),
        (["source-on", "localhost:1/x:1"], "did you mean source-one?"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(built: Project, arguments: list[str], said: str) -> None:
    done = built.run("push", *arguments)
    assert done.code == 2
    assert said in done.err


def test_a_registry_that_wants_to_know_who_we_are(
    built: Project, registry_basic: RunningRegistry, registry_token: RunningRegistry, tmp_path: Path
) -> None:
    for one in (registry_basic, registry_token):
        where = f"{one.host}/{tmp_path.name.replace('_', '-').strip('-').lower()}/"
        done = built.run("push", "source-one", where, "--tag", "1")
        assert done.code == 4
        assert "docker login" in done.err
        environ = one.login(tmp_path / "login")
        assert built.run("push", "--all", where, "--tag", "1", **environ).code == 0
        assert built.run("copy", f"{where}source-one:1", f"{where}copy", **environ).out.startswith("pushed")
        mounted = one.asked("POST", "copy/blobs/uploads/?mount=")
        assert len(mounted) == len(_sizes(built, _indexes(built)["source-one"]))


def test_copies_between_everything(built: Project, place: str, tmp_path: Path) -> None:
    digest = _indexes(built)["source-one"]
    steps = [
        ("store:source-one", f"{place}a:1"),
        (f"{place}a:1", f"oci:{tmp_path}/layout"),
        (f"oci:{tmp_path}/layout:1", f"oci-archive:{tmp_path}/a.tar"),
        (f"oci-archive:{tmp_path}/a.tar", f"{place}b:2"),
        (f"{place}b:2", f"{place}c"),
        (f"{place}c:2", f"oci:{tmp_path}/layout:again"),
    ]
    for source, target in steps:
        done = built.run("copy", source, target)
        assert (done.code, done.out.split()[-1:]) == (0, [digest]), done.err
    listed = json.loads((tmp_path / "layout" / "index.json").read_text())["manifests"]
    assert {one["digest"] for one in listed} == {digest}
    assert len(listed) == 2


def test_one_platform_alone(built: Project, place: str, tmp_path: Path, run: Run) -> None:
    assert built.run("push", "source-one", f"{place}x:1").code == 0
    done = built.run("pull", f"{place}x:1", f"docker-archive:{tmp_path}/a.tar")
    assert (done.code, "add --platform" in done.err) == (2, True)
    done = built.run("pull", f"{place}x:1", f"docker-archive:{tmp_path}/a.tar", "--platform", "linux/arm64")
    assert done.code == 0
    config = json.loads(run("skopeo", "inspect", "--config", "--raw", f"docker-archive:{tmp_path}/a.tar"))
    assert config["architecture"] == "arm64"
    done = built.run("pull", f"{place}x:1", f"oci:{tmp_path}/x", "--platform", "linux/s390x")
    assert (done.code, "it has: linux/amd64, linux/arm64" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pull", "localhost:1/x:1", "localhost:1/y:1"], "is not on this machine"),
        (["pull", "localhost:1/x:1", "oci-archive:x", "--referrers"], "an archive holds images alone"),
        (["copy", "localhost:1/x:1", "localhost:1/y@sha256:" + "0" * 64], "nobody can choose a digest"),
        (["copy", "oci:nowhere", "localhost:1/y:1"], "there is no"),
    ],
)
def test_copies_that_cannot_be(built: Project, arguments: list[str], said: str) -> None:
    done = built.run(*arguments)
    assert done.code == 2
    assert re.search(said, done.err)


def test_base_layers_that_the_store_lacks_come_from_where_the_base_is(locked: Project, place: str) -> None:
    # A build reads no base layer; a push sends them on from the base's layout.
    assert locked.run("build", "source-one", "--record").code == 0
    index = Digest(locked.run("build", "source-one", "--json").json["connectors"][0]["index"]["digest"])
    lacking = [digest for digest in _sizes(locked, index) if Digest(digest) not in locked.store]
    assert lacking
    done = locked.run("push", "source-one", place, "--tag", "1", "--json")
    assert done.code == 0, done.err
    assert done.json["pushed"][0]["uploaded"] == sum(_sizes(locked, index).values())
    assert not any(Digest(digest) in locked.store for digest in lacking)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_push_that_is_ended_in_the_middle_can_be_run_again(locked: Project, number: signal.Signals) -> None:
    assert locked.run("build", "source-one", "--record").code == 0
    with small_registry() as small:
        reached, stalls = threading.Event(), True

        def answer(exchange: Exchange) -> None:
            if exchange.method == "PUT" and stalls:
                reached.set()
                exchange.stall()
            else:
                small.answer(exchange)

        with serve(answer) as server:
            place = f"{server.host}/x:1.0"
            with locked.start("push", "source-one", place) as push:
                assert reached.wait(30)
                push.send_signal(number)
                push.communicate(timeout=30)
                assert push.returncode == (130 if number is signal.SIGINT else -signal.SIGKILL)
            assert small.tags == {}
            stalls = False
            assert locked.run("push", "source-one", place).code == 0
        assert list(small.tags) == [("x", "1.0")]
    assert locked.run("store", "verify").code == 0


def test_some_fail_and_the_others_are_pushed(built: Project, locked: Project, place: str) -> None:
    assert locked.run("build", "source-one", "--record").code == 0
    assert locked.run("push", "--all", place, "--tag", "1.0").code == 2
    done = locked.run("push", "--all", place, "--tag", "1.0", "--keep-going", "--json")
    assert done.code == 2
    assert [one["name"] for one in done.json["pushed"]] == ["source-one"]
    (failed,) = done.json["failed"]
    assert (failed["name"], failed["exit"]) == ("source-two", 2)
    assert "is not built" in failed["error"]
    assert "failed: 1 connector: source-two" in done.err
    # A tag that leads elsewhere is the matter of its connector alone, too.
    assert built.run("push", "--all", place, "--tag", "2.0").code == 0
    (locked.root / "pyproject.toml").write_text(SPECIFICATION.replace('["source-one"]', '["source-uno"]'))
    assert locked.run("build", "--all", "--record").code == 0
    done = locked.run("push", "--all", place, "--tag", "2.0", "-k")
    assert done.code == 1
    assert done.out.startswith(f"there   {place}source-two:2.0")
    assert "error: source-one: " in done.err


def test_shards_and_platforms_of_a_push(built: Project, place: str) -> None:
    options = ("--all", place, "--tag", "main", "--platform", "linux/arm64", "--json")
    parts = [built.run("push", *options, "--shard", f"{number}/3").json["pushed"] for number in (1, 2, 3)]
    assert [[one["name"] for one in part] for part in parts] == [["source-one"], ["source-two"], []]
    pulled = built.run("build", "source-one", "--platform", "linux/arm64", "--json").json["connectors"][0]
    assert parts[0][0]["index"]["digest"] == pulled["index"]["digest"]
