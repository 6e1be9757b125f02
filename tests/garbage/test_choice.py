"""What goes and what stays."""

import json
import os
import time
from pathlib import Path

import pytest

from reprobuild.canonical import Digest, digest_of, hex_of
from reprobuild.garbage.choice import Choice, choice
from reprobuild.garbage.holding import holding
from reprobuild.store import Store

NOW = time.time()
DAY = 24 * 60 * 60
KEY = digest_of(b"key")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, data: bytes, *, age: float = 100) -> Digest:
    """Have *data* in *store*, last used *age* days ago."""
    digest = store.add(data)
    os.utime(store.path(digest), (NOW - age * DAY, NOW - age * DAY))
    return digest


def note(store: Store, kind: str, key: Digest, value: dict[str, object], *, age: float = 100) -> None:
    store.write_record(kind, key, value)
    name = hex_of(key)
    os.utime(store.root / "records" / kind / name[:2] / name, (NOW - age * DAY, NOW - age * DAY))


def chosen(store: Store, *locked: Digest, days: float = 30, most: int | None = None) -> Choice:
    return choice(holding(store), {hex_of(digest) for digest in locked}, before=NOW - days * DAY, most=most)


def gone(found: Choice) -> set[str]:
    return {f"sha256:{item.name}" for item in found.blobs}


def test_what_a_lock_names_stays_at_any_age(store: Store) -> None:
    wheel, other = put(store, b"wheel"), put(store, b"other")
    assert gone(chosen(store, wheel)) == {other}
    assert gone(chosen(store, wheel, other, days=0, most=0)) == set()


def test_what_was_used_lately_stays(store: Store) -> None:
    new, old = put(store, b"new", age=29), put(store, b"old", age=31)
    found = chosen(store)
    assert (gone(found), found.recent) == ({old}, 3)
    assert gone(chosen(store, days=0)) == {new, old}


def test_a_manifest_keeps_its_config_and_layers_and_an_index_its_manifests(store: Store) -> None:
    config, layer, loose = (put(store, data) for data in (b"{}", b"layer", b"loose"))
    manifest = put(store, json.dumps({"config": {"digest": config}, "layers": [{"digest": layer}]}).encode())
    index = put(store, json.dumps({"manifests": [{"digest": manifest}]}).encode())
    assert gone(chosen(store, index)) == {loose}


def test_the_image_that_a_recorded_derivation_gave_stays_with_its_record(store: Store) -> None:
    layer = put(store, b"layer")
    manifest = put(store, json.dumps({"layers": [{"digest": layer}]}).encode())
    note(store, "output", KEY, {"manifest": manifest})
    found = chosen(store, KEY)
    assert (found.blobs, found.records, found.needed) == ((), (), store.path(layer).stat().st_size + found.needed - 5)
    assert len(chosen(store).records) == 1
    assert gone(chosen(store)) == {layer, manifest}


def test_a_record_that_is_used_keeps_what_it_refers_to(store: Store) -> None:
    content, fragment, old = (put(store, data) for data in (b"content", b"fragment", b"old"))
    seen = put(store, json.dumps({"present": [{"digest": content}]}).encode())
    note(store, "execution", KEY, {"observation": seen}, age=1)
    note(store, "fragment", KEY, {"blob": fragment, "diffID": digest_of(b"plain")}, age=1)
    note(store, "fragment", digest_of(b"other"), {"blob": old})
    found = chosen(store)
    assert gone(found) == {old}
    assert [record.name for record in found.records] == [hex_of(digest_of(b"other"))]


def test_what_was_unused_for_longest_goes_first_until_the_rest_fits(store: Store) -> None:
    needed = put(store, b"n" * 1000)
    ages = {put(store, bytes([age]) * 100, age=age): age for age in (1, 2, 3, 4)}
    assert gone(chosen(store, needed, most=1200)) == {digest for digest, age in ages.items() if age > 2}
    assert gone(chosen(store, needed, most=1201)) == {digest for digest, age in ages.items() if age > 2}
    assert gone(chosen(store, needed, most=1400)) == set()
    assert gone(chosen(store, needed, most=10)) == set(ages)


def test_a_record_goes_with_what_it_refers_to(store: Store) -> None:
    fragment = put(store, b"f" * 1000, age=1)
    note(store, "fragment", KEY, {"blob": fragment}, age=1)
    found = chosen(store, most=100)
    assert (gone(found), len(found.records)) == ({fragment}, 1)


def test_a_time_in_the_future_is_late(store: Store) -> None:
    put(store, b"clock", age=-1000)
    assert gone(chosen(store, days=1)) == set()


def test_use_is_noted_once_a_day(store: Store) -> None:
    digests = [put(store, name) for name in (b"has", b"read", b"nothing")]
    note(store, "fragment", KEY, {"blob": digests[0]})
    assert store.has(digests[0])
    assert store.read(digests[1]) == b"read"
    assert store.record("fragment", KEY) is not None
    assert gone(chosen(store, days=1)) == {digests[2]}
    assert chosen(store, days=1).records == ()
    before = store.path(digests[0]).stat().st_mtime_ns
    assert store.has(digests[0])
    assert store.path(digests[0]).stat().st_mtime_ns == before
