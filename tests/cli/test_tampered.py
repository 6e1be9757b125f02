"""A store in which somebody flipped bits: it is noticed, what is damaged is made again, and the images are right."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reprobuild.canonical import Digest
from reprobuild.oci.types import Manifest, parse_manifest
from reprobuild.store import Store
from tests.cli.project import SPECIFICATION, Project, project
from tests.servers import RunningRegistry

_SEVERAL = SPECIFICATION.replace('requirements = ["alpha"]', 'requirements = ["alpha", "beam"]')
"""One connector has two wheels, which share a layer."""


@pytest.fixture(scope="module")
def _recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with project(tmp_path_factory.mktemp("recorded")) as made:
        made.specify(_SEVERAL)
        for words in (("lock", "update"), ("build", "--all", "--record")):
            done = made.run(*words)
            assert done.code == 0, done.err
        yield made


@pytest.fixture
def mine(_recorded: Project, tmp_path: Path) -> Iterator[Project]:
    with project(tmp_path, like=_recorded.root.parent) as made:
        yield made


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def _manifests(made: Project) -> list[tuple[Digest, Manifest]]:
    done = made.run("build", "--all", "--json")
    digests = [Digest(image["manifest"]["digest"]) for one in done.json["connectors"] for image in one["images"]]
    return [(digest, parse_manifest(made.store.read(digest))) for digest in digests]


def _own_layers(made: Project) -> set[Digest]:
    base = {path.name for path in (made.root / "base/blobs/sha256").iterdir()}
    layers = {layer.digest for _, manifest in _manifests(made) for layer in manifest.layers}
    return {digest for digest in layers if digest.partition(":")[2] not in base}


def _documents(made: Project) -> set[Digest]:
    return {digest for manifest in _manifests(made) for digest in (manifest[0], manifest[1].config.digest)}


def _records(store: Store, kind: str) -> list[Path]:
    return sorted(path for path in (store.root / "records" / kind).rglob("*") if path.is_file())


def _fragments(store: Store) -> set[Digest]:
    records = [store.record("fragment", Digest(f"sha256:{path.name}")) for path in _records(store, "fragment")]
    return {record["blob"] for record in records if record is not None}


def _ends_right(made: Project, *arguments: str) -> int:
    """Build, which goes well; return how many damaged blobs it told of, each removed and made anew."""
    done = made.run("build", "--all", *arguments)
    assert done.code == 0, done.err
    assert done.out.count("verified") == 4
    return done.err.count("was damaged and has been removed; it is made anew")


@pytest.mark.parametrize("chosen", [_own_layers, _documents], ids=["layers", "documents"])
def test_blobs_of_images(mine: Project, tmp_path: Path, chosen: Callable[[Project], set[Digest]]) -> None:
    digests = chosen(mine)
    assert digests
    for number, digest in enumerate(sorted(digests)):
        _flip(mine.store.path(digest), 7 * number + 3)
    told = _ends_right(mine)
    told += _ends_right(mine, "-o", f"oci:{tmp_path}/layout")
    # Two that are met at the same time are told of as one.
    assert 1 <= told <= len(digests)
    other = tmp_path / "other"
    assert mine.run("build", "--all", "-o", f"oci:{other}", REPROBUILD_STORE=str(tmp_path / "new")).code == 0
    for blob in (other / "blobs/sha256").iterdir():
        assert (tmp_path / "layout/blobs/sha256" / blob.name).read_bytes() == blob.read_bytes()


@pytest.mark.parametrize("words", [(), ("-k",)], ids=["at once", "going on"])
def test_fragments_that_are_joined(mine: Project, words: tuple[str, ...]) -> None:
    for kind in ("output", "layer"):
        for path in _records(mine.store, kind):
            path.unlink()
    fragments = _fragments(mine.store)
    for digest in fragments:
        _flip(mine.store.path(digest), 100)
    assert 1 <= _ends_right(mine, *words) <= len(fragments)


@pytest.mark.parametrize("words", [(), ("-k",)], ids=["at once", "going on"])
def test_wheels(mine: Project, words: tuple[str, ...]) -> None:
    for kind in ("output", "layer", "fragment"):
        for path in _records(mine.store, kind):
            path.unlink()
    names = {path.name for path in (mine.store.root / "blobs").rglob("*") if path.is_file()}
    wheels = {name for name in names if mine.store.path(Digest(f"sha256:{name}")).read_bytes()[:2] == b"PK"}
    assert wheels
    for name in wheels:
        _flip(mine.store.path(Digest(f"sha256:{name}")), 60)
    assert 1 <= _ends_right(mine, *words) <= len(wheels)


@pytest.mark.parametrize("kind", ["output", "layer", "fragment", "selection"])
@pytest.mark.parametrize("place", range(5, 400, 23))
def test_records(mine: Project, kind: str, place: int) -> None:
    if kind != "output":
        for path in _records(mine.store, "output"):
            path.unlink()
    records = _records(mine.store, kind)
    assert records
    for path in records:
        _flip(path, place)
    assert _ends_right(mine) == 0


@pytest.mark.parametrize("kind", ["output", "layer", "fragment", "selection"])
def test_records_in_each_others_place(mine: Project, kind: str) -> None:
    for path in (mine.root / "lock").glob("pylock.*.toml"):
        path.write_text(path.read_text().split("[tool.reprobuild.outputs")[0])
    wanted = {digest for digest, _ in _manifests(mine)}
    if kind != "output":
        for path in _records(mine.store, "output"):
            path.unlink()
    records = _records(mine.store, kind)
    before = [path.read_bytes() for path in records]
    for path, data in zip(records, before[1:] + before[:1], strict=True):
        path.write_bytes(data)
    assert {digest for digest, _ in _manifests(mine)} == wanted


def test_a_push_says_what_to_do(mine: Project, registry: RunningRegistry, tmp_path: Path) -> None:
    place = f"{registry.host}/tampered/{tmp_path.name.replace('_', '-').lower()}/"
    for number, digest in enumerate(sorted(_own_layers(mine))):
        _flip(mine.store.path(digest), 7 * number + 3)
    done = mine.run("push", "source-one", place, "--tag", "1")
    assert (done.code, "was damaged and has been removed" in done.err) == (1, True)
    assert "hint: run `reprobuild build source-one`, which makes it anew, and push again" in done.err
    assert not registry.asked("PUT", f"/{place.partition('/')[2]}source-one/manifests/")
    # The others that were flipped may have been met by now, or not.
    _ends_right(mine, "-o", f"oci:{tmp_path}/layout")
    assert mine.run("push", "source-one", place, "--tag", "1").code == 0
