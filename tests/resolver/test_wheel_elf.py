"""ELF files of wheels, as they come out of the zip and as they are remembered."""

import pytest

from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError
from reprobuild.lockfile import Wheel
from reprobuild.resolver import wheel_elf
from reprobuild.resolver.wheel_elf import remembered_objects, wheel_objects
from reprobuild.store import Store
from tests.elf_files import AARCH64, shared_object
from tests.resolver.loopback_index import wheel_bytes

MODULE = shared_object(needed=["libx.so.1"])


def wheel(store: Store, files: dict[str, bytes]) -> Wheel:
    data = wheel_bytes("alpha", "1.0", files=files)
    return Wheel(file="alpha-1.0-py3-none-any.whl", size=len(data), digest=store.add(data))


def test_what_could_be_loaded_is_found_where_it_is_installed(store: Store) -> None:
    one = wheel(
        store,
        {
            "alpha/module.abi3.so": MODULE,
            "alpha/foreign.so": shared_object(machine=AARCH64),
            "alpha.libs/libx-1a2b.so.1.2": shared_object("libx-1a2b.so.1"),
            "alpha-1.0.data/platlib/alpha/more.so": MODULE,
            "alpha-1.0.data/scripts/tool": MODULE,
            "alpha/static": shared_object(kind=2),
            "alpha/text.so": b"not an ELF file",
            "alpha/damaged.so": MODULE[:70],
            "alpha/data.bin": MODULE,
            "alpha/data": MODULE,
            "alpha/__init__.py": b"",
        },
    )
    found = wheel_objects(one, store)
    assert set(found) == {
        "alpha/module.abi3.so",
        "alpha/foreign.so",
        "alpha.libs/libx-1a2b.so.1.2",
        "alpha/more.so",
        "alpha-1.0.data/scripts/tool",
    }
    assert found["alpha/module.abi3.so"].needed == ("libx.so.1",)


def test_it_is_remembered_and_read_again_where_that_is_damaged(store: Store) -> None:
    one = wheel(store, {"alpha/module.so": MODULE})
    assert remembered_objects(one, store) is None
    found = wheel_objects(one, store)
    assert remembered_objects(one, store) == found
    for record in (store.root / "records" / "wheel-elf").rglob("*"):
        if record.is_file():
            record.write_bytes(b'{"blob": 7}')
    assert remembered_objects(one, store) is None
    assert wheel_objects(one, store) == found


def test_a_wheel_without_native_code_is_remembered_too(store: Store) -> None:
    one = wheel(store, {"alpha/__init__.py": b""})
    assert wheel_objects(one, store) == {}
    assert remembered_objects(one, store) == {}


def test_large_files_go_through_a_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_elf, "_MEMORY", 16)
    one = wheel(store, {"alpha/module.so": MODULE})
    assert wheel_objects(one, store)["alpha/module.so"].needed == ("libx.so.1",)
    assert list((store.root / "tmp").iterdir()) == []


def test_what_is_no_wheel_is_refused(store: Store) -> None:
    broken = Wheel(file="alpha-1.0-py3-none-any.whl", size=3, digest=store.add(b"zip"))
    with pytest.raises(ContentError, match="not a readable zip"):
        wheel_objects(broken, store)
    gone = Wheel(file="alpha-1.0-py3-none-any.whl", size=3, digest=digest_of(b"gone"))
    with pytest.raises(ContentError, match="is not in the store"):
        wheel_objects(gone, store)
