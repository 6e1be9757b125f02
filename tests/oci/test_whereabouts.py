from reprobuild.canonical import digest_of
from reprobuild.oci.whereabouts import Whereabouts
from reprobuild.store import Store

HOST, BLOB = "registry.example", digest_of(b"blob")


def test_what_was_pushed_is_known_in_the_next_run(store: Store) -> None:
    first = Whereabouts(store)
    assert first.of(HOST, BLOB) == ()
    first.add(HOST, BLOB, "one")
    first.add(HOST, BLOB, "two")
    assert Whereabouts(store).of(HOST, BLOB) == ("two", "one")
    assert Whereabouts(store).of("elsewhere.example", BLOB) == ()


def test_a_few_of_the_latest_are_enough(store: Store) -> None:
    known = Whereabouts(store)
    for number in range(10):
        known.add(HOST, BLOB, f"repository-{number}")
    assert Whereabouts(store).of(HOST, BLOB) == tuple(f"repository-{number}" for number in (9, 8, 7, 6))


def test_where_bases_come_from_is_known_for_one_run(store: Store) -> None:
    known = Whereabouts(store)
    known.add(HOST, BLOB, "mine")
    known.expect(HOST, BLOB, "library/python")
    known.expect(HOST, BLOB, "library/python")
    assert known.of(HOST, BLOB) == ("mine", "library/python")
    assert Whereabouts(store).of(HOST, BLOB) == ("mine",)


def test_a_record_that_is_damaged_says_nothing(store: Store) -> None:
    Whereabouts(store).add(HOST, BLOB, "one")
    for path in (store.root / "records" / "pushed").rglob("*"):
        if path.is_file():
            for damage in (b"", b"[]", b'{"repositories": "one"}', b'{"repositories": [1]}'):
                path.write_bytes(damage)
                assert Whereabouts(store).of(HOST, BLOB) == ()


def test_without_a_store_it_is_remembered_for_one_run() -> None:
    known = Whereabouts()
    known.add(HOST, BLOB, "one")
    assert known.of(HOST, BLOB) == ("one",)
