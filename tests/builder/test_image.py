"""Images from a derivation: what is in them, and the golden digests of each format."""

import gzip
import io
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.image import assemble_index
from reprobuild.builder.layering import GROUPS, LARGE_WHEEL, LARGE_WHEELS, layering
from reprobuild.builder.outcome import BuiltImage
from reprobuild.builder.realise import realise
from reprobuild.canonical import digest_of
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError
from reprobuild.lockfile import Wheel, normal_name
from reprobuild.oci.types import ImageConfig, Manifest, parse_config, parse_manifest
from reprobuild.progress import Silent
from reprobuild.store import Store
from tests.builder.images import ARM64, EPOCH, planned, put_derivation, put_wheel

GOLDEN = {
    ("gzip", "setup layer"): "sha256:2aa18bb2847d8ca325c3e7cdae783900a60a826f157701ae3f95afc3b01eaa1a",
    ("gzip", "wheels layer"): "sha256:4114e82d40a750f0a0aacdb9430a6510d88568c3b72c8dae089df821f9ed142b",
    ("gzip", "connector layer"): "sha256:583224f462b0c8571d89e3f077ec40711f7733b04888c4dcca9ab2051e876133",
    ("gzip", "config"): "sha256:47965de85e34f13515e6926504863fcf11882f096692c0f61fad23d979ee1689",
    ("gzip", "manifest"): "sha256:1d95885b1fcd70abfbbfa860264651e29cef74acd2060a7aa33c946175afc3d9",
    ("gzip", "index"): "sha256:030c1e26ec12c3e5720ae5eafa2b037509d5ff909906dc20e74ef0f1b8ab0a65",
    ("gzip", "derivation"): "sha256:b9ebd5644276ca6218ffedd91dc34cccf2899af112dab698d0fa9e6021a093f3",
    ("zstd", "manifest"): "sha256:216cd5e0d73b2020cf18af7447247cc453d7baf2af0ef1c92fd202d7b39e3929",
}
GOLDEN_3: dict[str, str | list[str]] = {
    "layers": [
        "sha256:2aa18bb2847d8ca325c3e7cdae783900a60a826f157701ae3f95afc3b01eaa1a",
        "sha256:33ef19c9788fbad26adb615b2d2e74748a568571afebf9c56bcaff2c351dfcdb",
        "sha256:f4a6c429ae745448dbbd0f0def19da60a777433b7ca401ce3c5d19c84e86b738",
        "sha256:9fcad5c695cf80638720c885974c0654868b7ed575b000d95cccf4647cb0f347",
        "sha256:583224f462b0c8571d89e3f077ec40711f7733b04888c4dcca9ab2051e876133",
    ],
    "config": "sha256:6b1e7e7aea883d80f774df4a97f64d015b0ec35d7c13739bb96ab9dfed8e887c",
    "manifest": "sha256:ff75d0f52bd5afc3d710918234829dd8ec320f6d3fdd2d3ea04b4f4d8298d95c",
    "derivation": "sha256:b970856d8e7d3a30849d1a0b2a1e238b0ac0a288dd280a6a7394105d3f67bed5",
    "zstd manifest": "sha256:df2ee04281b8d89c2bfa2ee3d2bbeab591ba03fe178b5687650774cb27cc8580",
}
SHARED = {
    1: (
        "sha256:f9f1c208cacafb3e64966c7c2225e5d63c8294651306abf1764299aade784c73",
        "sha256:ef61fc95da878567616e2b05941464ff21c562fc8be182467a1aa08094aafbaf",
    ),
    2: (
        "sha256:3bddbfb6aa1fe80f3730105d478c79ce7625162694243f5b40e8b6e405b47789",
        "sha256:8953c1763e36e8ac7f531f0b8efdd89da25bd82056ef98cd650001c4b900bf11",
    ),
}
"""The layer and the manifest of wheels that share a folder and a file, by format."""


def build(derivation: Derivation, store: Store, *, workers: int = 2) -> BuiltImage:
    async def run() -> BuiltImage:
        return (await realise([planned(derivation)], store, Silent(), workers=workers))[0]

    return anyio.run(run)


def documents(built: BuiltImage, store: Store) -> tuple[Manifest, ImageConfig]:
    manifest = parse_manifest(store.read(built.manifest.digest))
    return manifest, parse_config(store.read(manifest.config.digest))


def test_golden_digests_of_format_1(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    derivation = replace(put_derivation(store, tmp_path), format=1)
    built = build(derivation, store)
    manifest, _ = documents(built, store)
    index = assemble_index([(derivation.platform, built.manifest)], derivation.annotations, epoch=EPOCH)
    zstd = build(replace(put_derivation(store, tmp_path, compression="zstd"), format=1), store)
    assert {
        ("gzip", "setup layer"): manifest.layers[1].digest,
        ("gzip", "wheels layer"): manifest.layers[2].digest,
        ("gzip", "connector layer"): manifest.layers[3].digest,
        ("gzip", "config"): manifest.config.digest,
        ("gzip", "manifest"): built.manifest.digest,
        ("gzip", "index"): index.descriptor.digest,
        ("gzip", "derivation"): derivation.digest,
        ("zstd", "manifest"): zstd.manifest.digest,
    } == GOLDEN


def test_golden_digests_of_format_3(tmp_path: Path) -> None:
    """Two of the wheels are in one group, and the others in groups of their own."""
    store = Store(tmp_path / "store")
    derivation = _sharing(store, tmp_path, 3)
    built = build(derivation, store)
    manifest, config = documents(built, store)
    zstd = build(replace(derivation, compression="zstd"), store)
    assert {
        "layers": [layer.digest for layer in manifest.layers[1:]],
        "config": manifest.config.digest,
        "manifest": built.manifest.digest,
        "derivation": derivation.digest,
        "zstd manifest": zstd.manifest.digest,
    } == GOLDEN_3
    assert [entry["created_by"] for entry in config.history][2:-1] == [
        "reprobuild wheel ns_one-1.0-py3-none-any.whl",
        "reprobuild wheel beta-1.0-py3-none-any.whl",
        "reprobuild wheels pip-25.3-py3-none-any.whl alpha-1.0-py3-none-any.whl ns_two-1.0-py3-none-any.whl",
    ]


def _sharing(store: Store, folder: Path, number: int) -> Derivation:
    wheels = (
        put_wheel(store, {"ns/__init__.py": b"", "ns/one/a.py": b"A = 1\n"}, name="ns_one"),
        put_wheel(store, {"ns/__init__.py": b"", "ns/two/b.py": b"B = 2\n" * 300_000}, name="ns_two"),
    )
    derivation = put_derivation(store, folder)
    return replace(derivation, wheels=(*derivation.wheels, *wheels), format=number)


@pytest.mark.parametrize("number", SHARED)
def test_golden_digests_of_wheels_that_share_paths(number: int, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    built = build(_sharing(store, tmp_path, number), store)
    layer = documents(built, store)[0].layers[2].digest
    assert (layer, built.manifest.digest) == SHARED[number]
    with tarfile.open(fileobj=io.BytesIO(store.read(layer)), mode="r:gz") as tar:
        counts = Counter(member.name for member in tar)
    shared = {path.removeprefix("usr/local/lib/python3.11/dist-packages/") for path in counts if counts[path] > 1}
    assert shared == ({"ns", "ns/__init__.py"} if number == 1 else set())


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_every_layer_is_what_its_diff_id_says(tmp_path: Path, compression: str) -> None:
    store = Store(tmp_path / "store")
    manifest, config = documents(build(put_derivation(store, tmp_path, compression=compression), store), store)
    assert len(config.diff_ids) == len(manifest.layers) == len(config.history)
    for layer, diff_id in list(zip(manifest.layers, config.diff_ids, strict=True))[1:]:
        blob = store.read(layer.digest)
        assert layer.size == len(blob)
        assert layer.media_type.endswith(compression)
        assert digest_of(inflated(blob, compression)) == diff_id


def inflated(blob: bytes, compression: str) -> bytes:
    if compression == "gzip":
        return gzip.decompress(blob)
    try:
        from compression import zstd
    except ImportError:
        from backports import zstd
    return bytes(zstd.decompress(blob))


def test_the_layers_hold_what_the_derivation_says(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    manifest, _ = documents(build(put_derivation(store, tmp_path), store), store)
    members: list[dict[str, tarfile.TarInfo]] = []
    for layer in manifest.layers[1:]:
        with tarfile.open(fileobj=io.BytesIO(store.read(layer.digest)), mode="r:gz") as tar:
            members.append({member.name: member for member in tar})
    setup, *rest, connector = members
    wheels = {name: member for layer in rest for name, member in layer.items()}
    site = "usr/local/lib/python3.11/dist-packages"
    assert setup["etc/localtime"].linkname == "/usr/share/zoneinfo/UTC"
    assert f"{site}/.wh.pip" in setup
    assert f"{site}/.wh.other" not in setup
    assert setup[site].isdir()
    assert {f"{site}/pip/__init__.py", f"{site}/alpha/__init__.py", f"{site}/beta/data.bin"} <= wheels.keys()
    assert connector["airbyte/integration_code/main.py"].mode == 0o755
    assert (connector["airbyte"].mode, connector["airbyte"].uid) == (0o750, 1000)
    assert connector["airbyte/integration_code"].mode == 0o755
    assert {member.mtime for layer in members for member in layer.values()} == {EPOCH}


def test_the_config_is_the_bases_with_ours_on_top(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    _, config = documents(build(put_derivation(store, tmp_path, platform=ARM64), store), store)
    assert config.platform == ARM64
    assert config.env["ODD"] == "a=b\nc"
    assert config.env["AIRBYTE_ENTRYPOINT"] == "python /airbyte/integration_code/main.py"
    assert config.config["Entrypoint"] == ["python", "/airbyte/integration_code/main.py"]
    assert config.config["Labels"] == {"base": "1", "io.airbyte.name": "demo/source-demo"}
    assert config.config["User"] == "airbyte"
    assert "Cmd" not in config.config
    assert config.created == "1980-01-01T00:00:00Z"


@pytest.mark.parametrize("workers", [1, 4])
def test_warm_or_cold_one_thread_or_many_the_manifest_is_the_same(tmp_path: Path, workers: int) -> None:
    (tmp_path / "a").mkdir()
    store, other = Store(tmp_path / "store"), Store(tmp_path / "other")
    first = build(put_derivation(store, tmp_path), store)
    assert build(put_derivation(store, tmp_path), store, workers=workers).manifest == first.manifest
    assert build(put_derivation(other, tmp_path / "a"), other, workers=workers).manifest == first.manifest


def test_a_damaged_fragment_is_noticed_and_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    derivation = _sharing(store, tmp_path, 3)
    first = build(derivation, store)
    manifest, _ = documents(first, store)
    fragments = [path for path in (store.root / "records" / "fragment").rglob("*") if path.is_file()]
    assert len(fragments) == 5
    for path in (store.root / "records" / "layer").rglob("*"):
        if path.is_file():
            path.unlink()
    blob = next(
        path for path in (store.root / "blobs").rglob("*") if path.is_file() and b"alpha" in inflated_or_empty(path)
    )
    blob.write_bytes(blob.read_bytes()[:-60] + bytes(60))
    with pytest.raises(ContentError, match="damaged"):
        build(derivation, Store(store.root))
    assert build(derivation, store).manifest == first.manifest
    assert all(store.read(layer.digest) for layer in manifest.layers[1:])


def inflated_or_empty(path: Path) -> bytes:
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError):
        return b""
    return data if data.count(b".dist-info/RECORD") == 2 else b""


def test_a_wheel_that_changed_in_the_store_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    derivation = put_derivation(store, tmp_path)
    path = store.path(derivation.wheels[0].digest)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ContentError, match="was damaged"):
        build(derivation, store)


def test_a_connector_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    derivation = put_derivation(store, tmp_path)
    derivation.files[0].source.write_bytes(b"print('HELLO')\n")
    with pytest.raises(ContentError, match="changed while it was read"):
        build(derivation, store)


def test_large_wheels_get_layers_of_their_own_within_the_budget() -> None:
    wheels = [
        Wheel(file=f"w{number:03}-1-py3-none-any.whl", size=size, digest=digest_of(b"%d" % number))
        for number, size in enumerate([LARGE_WHEEL + n for n in range(40)] + [LARGE_WHEEL - 1] * 5)
    ]
    groups = layering(wheels)
    assert [len(group) for group in groups[:LARGE_WHEELS]] == [1] * LARGE_WHEELS
    assert sorted(wheel.file for group in groups for wheel in group) == [wheel.file for wheel in wheels]
    assert {group[0] for group in groups[:LARGE_WHEELS]} == set(wheels[40 - LARGE_WHEELS : 40])
    assert [len(group) for group in layering(wheels, groups=1)] == [1] * LARGE_WHEELS + [45 - LARGE_WHEELS]
    assert layering([]) == ()


_NAMES = st.text("abcDEF", min_size=1, max_size=3)


@given(st.sets(_NAMES.map(normal_name), max_size=60), st.randoms(use_true_random=False))
def test_small_wheels_keep_their_group_whatever_else_there_is(names: set[str], random: Random) -> None:
    wheels = [_small(name) for name in sorted(names)]
    groups = layering(wheels)
    assert len(groups) <= GROUPS
    assert sorted(wheel.file for group in groups for wheel in group) == [wheel.file for wheel in wheels]
    assert all(list(group) == sorted(group, key=wheels.index) for group in groups)
    some = [wheel for wheel in wheels if random.random() < 0.5]
    for group in layering(some):
        assert len({next(n for n, whole in enumerate(groups) if wheel in whole) for wheel in group}) == 1


def test_another_spelling_or_version_of_a_name_is_in_the_same_group() -> None:
    others = [_small(f"other{number}") for number in range(200)]
    for name, version in (("ruamel.yaml", "1"), ("Ruamel_Yaml", "1"), ("ruamel__yaml", "22.4.post1")):
        (group,) = [one for one in layering([*others, _small(name, version)]) if not one[-1].file.startswith("other")]
        assert [wheel.file for wheel in group[:-1]] == [wheel.file for wheel in _with_ruamel(others)]


def _with_ruamel(others: list[Wheel]) -> tuple[Wheel, ...]:
    """Return those of *others* whose group the golden rule gives to ruamel.yaml."""
    groups = layering([*others, _small("ruamel.yaml")])
    return next(group[:-1] for group in groups if group[-1].file.startswith("ruamel"))


def _small(name: str, version: str = "1") -> Wheel:
    return Wheel(file=f"{name}-{version}-py3-none-any.whl", size=1, digest=digest_of(name.encode()))


def test_what_is_not_in_the_derivation_does_not_change_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = put_derivation(Store(tmp_path / "s1"), tmp_path / "a")
    other = put_derivation(Store(tmp_path / "s2"), tmp_path / "b")
    assert one.digest == other.digest
