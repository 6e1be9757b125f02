"""Wheels that share folders and files in one layer: named twice in format 1, once since format 2."""

import gzip
import io
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.builder.compress import Compression
from reprobuild.builder.fragment import Fragment, make_fragment
from reprobuild.builder.layer import Members, join, known_layer, parts_of
from reprobuild.builder.repeats import spans
from reprobuild.builder.tar import archive
from reprobuild.builder.tree import Entry, directory, regular_file
from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError
from reprobuild.store import Store
from tests.builder.images import EPOCH

ONE = {"ns": None, "ns/__init__.py": b"", "ns/one": None, "ns/one/a.py": b"A = 1\n"}
TWO = {"ns": None, "ns/__init__.py": b"", "ns/two": None, "ns/two/b.py": b"B = 2\n" * 300_000}
ALONE = {"alone": None, "alone/" + "n" * 200 + ".py": b"long", "grüße.txt": b"x"}
Files = Mapping[str, bytes | None]


def _entry(path: str, data: bytes | None) -> Entry:
    return directory(path) if data is None else regular_file(path, len(data), executable=False)


def _tar(files: Files) -> Iterator[bytes]:
    ordered = sorted(files.items(), key=lambda item: item[0].encode())
    return archive(((_entry(path, data), [data] if data else []) for path, data in ordered), epoch=EPOCH)


def _fragment(files: Files, store: Store, compression: Compression = "gzip") -> Fragment:
    return make_fragment(_tar(files), store, compression)


def _held(store: Store, digest: str) -> list[tuple[str, bytes | None]]:
    """Return the entries of a layer as another reader sees them."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(store.read(digest)))) as tar:  # type: ignore[arg-type]
        return [(one.name, file.read() if (file := tar.extractfile(one)) else None) for one in tar]


def _merged(parts: Sequence[Files]) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for part in parts:
        for path, data in sorted(part.items(), key=lambda item: item[0].encode()):
            found.setdefault(path, data)
    return found


def test_each_path_stands_once_and_nothing_is_lost(store: Store) -> None:
    fragments = [_fragment(files, store) for files in (ONE, TWO, ALONE)]
    twice = join(fragments, store, "gzip")
    once = join(fragments, store, "gzip", once=True)
    assert max(Counter(path for path, _ in _held(store, twice.descriptor.digest)).values()) == 2
    assert _held(store, once.descriptor.digest) == list(_merged([ONE, TWO, ALONE]).items())
    assert digest_of(gzip.decompress(store.read(once.descriptor.digest))) == once.diff_id
    assert len(store.read(once.descriptor.digest)) == once.descriptor.size


def test_what_repeats_nothing_is_the_same_layer_as_before(store: Store) -> None:
    fragments = [_fragment(files, store) for files in (ONE, ALONE)]
    assert join(fragments, store, "gzip", once=True) == join(fragments, store, "gzip")
    assert parts_of(fragments, store, once=True) == tuple(fragments)


def test_it_is_made_once_and_its_parts_are_known(store: Store) -> None:
    fragments = [_fragment(files, store) for files in (ONE, TWO)]
    assert known_layer(fragments, store, "gzip", once=True) is None
    layer = join(fragments, store, "gzip", once=True)
    assert known_layer(fragments, store, "gzip", once=True) == layer
    first, rest = parts_of(fragments, store, once=True)
    assert first == fragments[0]
    assert [path for path, _ in _held(store, rest.blob)] == ["ns/two", "ns/two/b.py"]
    # In another layer of the same wheels with others, it is not compressed again.
    join([*fragments, _fragment(ALONE, store)], store, "gzip", once=True)
    assert parts_of([*fragments, _fragment(ALONE, store)], store, once=True)[1] == rest
    store.discard(rest.blob)
    assert parts_of(fragments, store, once=True) == ()
    store.discard(layer.descriptor.digest)
    assert join(fragments, store, "gzip", once=True) == layer


@pytest.mark.parametrize("other", [{"ns": None, "ns/__init__.py": b"X = 1\n"}, {"ns": b"a file"}])
def test_two_files_of_one_path_are_refused(other: Files, store: Store) -> None:
    fragments = [_fragment(files, store) for files in (ONE, other)]
    with pytest.raises(ContentError, match=r"two wheels write ns.* with different bytes"):
        join(fragments, store, "gzip", once=True)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_who_reads_the_members_decides_nothing(compression: Compression, tmp_path: Path) -> None:
    layers = set[str]()
    for number, most in enumerate((0, 10**8)):
        store = Store(tmp_path / str(number))
        fragments = [_fragment(files, store, compression) for files in (TWO, ALONE, ONE)]
        layer = join(fragments, store, compression, Members(store, compression, most=most), once=True)
        layers.add(layer.descriptor.digest)
    assert len(layers) == 1


_PATHS = st.lists(st.sampled_from(["a", "b", "ü", "n" * 120]), min_size=1, max_size=3).map("/".join)


@given(st.lists(st.lists(_PATHS, max_size=6), min_size=2, max_size=4), st.integers(1, 5000))
def test_any_fragments_give_each_path_once(paths: list[list[str]], size: int) -> None:
    folders = {"/".join(path.split("/")[:depth]) for some in paths for path in some for depth in (1, 2)}
    folders = {one for one in folders if any(path.startswith(f"{one}/") for some in paths for path in some)}
    parts: list[Files] = []
    for some in paths:
        files: dict[str, bytes | None] = {path: path.encode() * size for path in some}
        files |= dict.fromkeys(one for one in folders if any(f"{path}/".startswith(f"{one}/") for path in some))
        parts.append(files)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        layer = join([_fragment(part, store) for part in parts], store, "gzip", once=True)
        assert _held(store, layer.descriptor.digest) == list(_merged(parts).items())


@given(st.dictionaries(_PATHS, st.binary(max_size=2000), max_size=4), st.integers(1, 3000))
def test_entries_are_found_however_the_bytes_are_cut(files: dict[str, bytes], size: int) -> None:
    data = b"".join(_tar(files))
    found = list(spans(data[place : place + size] for place in range(0, len(data), size)))
    assert [span.path.decode() for span in found] == sorted(files, key=str.encode)
    assert [span.start for span in found] == [0, *(span.end for span in found)][: len(found)]
    assert not found or found[-1].end == len(data)
    if data:
        with pytest.raises(ContentError, match="in the middle of an entry"):
            list(spans([data[:-1]]))
