"""What stands beside the cause: numbers of layers, details, lines of text, packages, platforms, the order."""

from dataclasses import replace

import pytest

from reprobuild.builder.tree import Entry
from reprobuild.canonical import Digest, digest_of
from reprobuild.engines.execution import Change, Changes
from reprobuild.store import Store
from reprobuild.verify.cause import rank
from reprobuild.verify.compare import compare_changes
from reprobuild.verify.comparison import verdict_of
from reprobuild.verify.reading import Texts
from tests.images import AMD64, ARM64
from tests.verify.pairs import TIME, File, Image, Layer, compared, folder, index, site

pytestmark = pytest.mark.anyio

ONE, TWO = File(path="app/one", data=b"1\n"), File(path="app/two", data=b"2\n")


async def test_a_difference_says_where_and_what(store: Store) -> None:
    found = (await compared(Image(files=[ONE]), Image(files=[replace(ONE, mode=0o755)]), store)).differences
    (one,) = found
    assert (one.place, one.old, one.new, one.layers, one.kind) == ("app/one", "0644", "0755", (2, 2), "file")


async def test_a_file_may_have_several_causes(store: Store) -> None:
    other = replace(ONE, data=b"x\n", mode=0o600, uid=5, mtime=TIME + 1)
    found = (await compared(Image(files=[ONE]), Image(files=[other]), store)).differences
    assert [one.cause for one in found] == ["text", "mode", "owner"]


async def test_texts_are_shown_line_by_line_within_bounds(store: Store) -> None:
    a, b = Image(files=[ONE, TWO]), Image(files=[replace(ONE, data=b"1\nx\n" + b"y\n" * 9), replace(TWO, data=b"z\n")])
    found = (await compared(a, b, store, texts=Texts(files=1, lines=3))).differences
    assert [one.text for one in found] == [("@@ -1,0 +2,10 @@", "+x", "+y", "… 8 more lines"), ()]
    found = (await compared(a, b, store)).differences
    assert found[1].text == ("@@ -1 +1 @@", "-2", "+z")


async def test_a_layer_cut_in_two_is_the_same_files(store: Store) -> None:
    one = Image(upper=Layer(files=[ONE, TWO]))
    two = Image(upper=Layer(files=[ONE]), more=[Layer(files=[TWO])])
    assert [found.cause for found in (await compared(one, two, store)).differences] == ["layers"]


async def test_what_upper_layers_replace_and_remove_counts_as_removed(store: Store) -> None:
    flat = Image(base=Layer(files=[ONE]), upper=Layer(files=[folder("gone"), TWO]))
    removed = [Layer(files=[TWO]), Layer(files=[File(path="gone/.wh.x"), File(path="old/.wh..wh..opq")])]
    deep = Image(
        base=Layer(files=[ONE, folder("gone"), File(path="gone/x"), File(path="old/y"), File(path="app/two/was/here")]),
        upper=removed[0],
        more=removed[1:],
    )
    found = {(one.cause, one.place) for one in (await compared(flat, deep, store)).differences}
    assert found == {("layers", "layers")}


async def test_what_an_upper_layer_hides_is_said(store: Store) -> None:
    a, b = (
        Image(upper=Layer(files=[File(path="x", data=data)]), more=[Layer(files=[ONE, File(path="x")])])
        for data in (b"1", b"2")
    )
    b = replace(b, more=[Layer(files=[replace(ONE, mode=0o600), File(path="x")])])
    found = {(one.cause, one.place, one.layers, one.detail) for one in (await compared(a, b, store)).differences}
    assert ("mode", "app/one", (3, 3), "") in found
    assert any(place == "x" and "hides it" in detail for _, place, _, detail in found)


async def test_files_of_a_distribution_that_differs_are_part_of_it(store: Store) -> None:
    a, b = (Image(files=site("idna", version, {"idna/core.py": version.encode()})) for version in ("3.4", "3.6"))
    found = (await compared(a, b, store)).differences
    assert {one.cause for one in found} == {"different wheel version"}
    assert (found[0].kind, found[0].place, found[0].old, found[0].new) == ("package", "idna", "3.4", "3.6")
    assert "part of idna 3.4 → 3.6" in {one.detail for one in found}


async def test_bytecode_of_a_source_that_differs_says_so(store: Store) -> None:
    a, b = (
        Image(
            files=[
                File(path="app/m.py", data=data),
                File(path="app/__pycache__/m.cpython-311.pyc", data=b"\0" * 16 + data),
            ]
        )
        for data in (b"a = 'one'\n", b"a = 'other'\n")
    )
    found = {one.cause: one.detail for one in (await compared(a, b, store)).differences}
    assert found["bytecode"] == "its source differs, too"


@pytest.mark.parametrize("is_shared", [True, False])
async def test_a_directory_may_be_in_a_layer_that_is_not_read(store: Store, *, is_shared: bool) -> None:
    a = Image(files=[folder("etc"), ONE])
    b = replace(Image(files=[ONE]), base=a.base if is_shared else Layer(files=[File(path="other")]))
    details = {one.place: one.detail for one in (await compared(a, b, store)).differences}
    assert details["etc"].startswith("a directory in A only")
    assert ("unless a layer that both have brings it" in details["etc"]) is is_shared


async def test_what_a_moved_base_brings_is_marked(store: Store) -> None:
    release = File(path="etc/os-release", data=b"12\n")
    a = Image(base=Layer(files=[release, ONE]))
    b = Image(base=Layer(files=[replace(release, data=b"13\n"), ONE]))
    found = (await compared(a, b, store)).differences
    assert [(one.cause, one.base) for one in found] == [("base moved", True), ("text", True)]
    built = [{"created_by": "bash"}, {"created_by": "reprobuild base setup"}]
    a, b = (
        replace(image, base=Layer(files=[*image.base.files[1:], File(path=name)]), history=built)
        for image, name in ((a, "a"), (b, "b"))
    )
    assert (await compared(a, b, store)).differences[0].cause == "base moved"


async def test_indexes_are_compared_platform_by_platform(store: Store) -> None:
    both = index(store, Image().add(store), Image(platform=ARM64).add(store))
    other = index(store, Image().add(store), Image(platform=ARM64, files=[ONE]).add(store))
    comparison = await compared(both, other, store)
    assert comparison.platforms == ("linux/amd64", "linux/arm64")
    assert {one.platform for one in comparison.differences} == {"linux/arm64"}
    assert (await compared(both, other, store, platforms=[AMD64])).verdict == "identical"
    arm64 = await compared(both, other, store, platforms=[ARM64])
    assert (arm64.verdict, arm64.platforms) == ("differs", ("linux/arm64",))
    assert arm64.a.digest != comparison.a.digest


async def test_an_index_and_one_of_its_images(store: Store) -> None:
    image = Image().add(store)
    comparison = await compared(index(store, image), replace(image, platform=None), store)
    assert [one.cause for one in comparison.differences] == ["index"]
    assert (await compared(index(store, image), image, store, platforms=[AMD64])).verdict == "identical"


async def test_the_most_telling_stands_first(store: Store) -> None:
    a = Image(files=[ONE], config={"Env": ["A=1"]})
    b = Image(files=[replace(ONE, mtime=TIME + 1), TWO], config={"Env": ["A=2"]}, created="2025-01-01T00:00:00Z")
    causes = [one.cause for one in (await compared(a, b, store)).differences]
    assert causes == sorted(causes, key=rank)
    assert causes[0] == "environment"


async def test_two_comparisons_say_the_same(store: Store) -> None:
    a, b = Image(files=[ONE]), Image(files=[TWO, *site("idna", "1", {"idna.py": b""})])
    first, second = [await compared(a, b, store) for _ in range(2)]
    assert first == second


def test_the_verdict_follows_from_the_causes() -> None:
    assert verdict_of([]) == "identical"


async def test_recompression_alone_is_the_same_content(store: Store) -> None:
    a, b = (
        Image(upper=Layer(files=[ONE], level=level), manifest_type=kind)
        for level, kind in (
            (1, "application/vnd.oci.image.manifest.v1+json"),
            (9, "application/vnd.docker.distribution.manifest.v2+json"),
        )
    )
    assert (await compared(a, b, store)).verdict == "same content, other compression"
    assert (await compared(a, replace(b, created="2025"), store)).verdict == "differs"


# Changes of executions


def change(path: str, data: bytes, **more: int) -> Change:
    return Change(entry=Entry(path=path, size=len(data), **more), digest=digest_of(data))  # type: ignore[arg-type]


def test_changes_that_are_the_same_have_no_difference() -> None:
    changes = Changes(present=(change("a", b"1"),), removed=("b",))
    assert compare_changes(changes, changes, {}.get) == ()


def test_changes_that_differ_name_the_cause() -> None:
    contents: dict[Digest, bytes] = {digest_of(data): data for data in (b"at 2024-01-01\n", b"at 2025-02-02\n")}
    a = Changes(present=(change("log", b"at 2024-01-01\n"), change("m", b"")), removed=("gone",))
    b = Changes(present=(change("log", b"at 2025-02-02\n"), change("m", b"", mode=0o600), change("new", b"")))
    found = compare_changes(a, b, contents.get)
    assert [(one.cause, one.place) for one in found] == [
        ("file only in one", "new"),
        ("time or random value", "log"),
        ("mode", "m"),
        ("whiteout", "gone"),
    ]
