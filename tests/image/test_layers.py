"""Layers as they are read: compression, media types, whiteouts, and everything a hostile one may try."""

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Callable

import pytest

from reprobuild.builder.compress import blocks, compressor
from reprobuild.canonical import digest_of
from reprobuild.errors import ContentError
from reprobuild.image import layer_files as layers_module
from reprobuild.image import layers as reader_module
from reprobuild.image import plain as plain_module
from reprobuild.image.layers import LayerReader, Selection
from reprobuild.image.tree import ImageTree
from reprobuild.oci.types import LAYER_GZIP, LAYER_TAR, LAYER_ZSTD, Descriptor
from reprobuild.progress import Silent
from reprobuild.store import Store
from tests.resolver.base_images import elf, file, folder, link, tar, tree_of

TAR = tar([folder("etc"), file("etc/kept", b"hello"), file("etc/other", b"x" * 3000), link("etc/l", "kept")])


def _read(store: Store, data: bytes, plain: bytes, media_type: str = LAYER_GZIP) -> ImageTree:
    reader = LayerReader(
        store, Selection(kept=lambda path: path.endswith("kept"), scanned=lambda path: "elf" in path), where="image"
    )
    blob = Descriptor(media_type=media_type, digest=store.add(data), size=len(data))
    reader.read(blob, digest_of(plain), task=Silent())
    return reader.tree


def _tar(*members: tarfile.TarInfo, form: int = tarfile.GNU_FORMAT) -> bytes:
    """Return *members*, each with contents of its size, as tarfile writes them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return buffer.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size, member.mode = kind, target, size, 0o644
    return member


@pytest.mark.parametrize(
    ("media_type", "pack"),
    [
        (LAYER_TAR, lambda data: data),
        ("application/vnd.docker.image.rootfs.diff.tar", lambda data: data),
        (LAYER_GZIP, gzip.compress),
        (LAYER_GZIP, lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:])),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", gzip.compress),
        (LAYER_ZSTD, lambda data: b"".join(map(compressor("zstd"), blocks([data], 700)))),
        ("application/vnd.docker.image.rootfs.diff.tar.zstd", compressor("zstd")),
    ],
)
def test_every_compression_gives_the_same_tree(store: Store, media_type: str, pack: Callable[[bytes], bytes]) -> None:
    tree = _read(store, pack(TAR), TAR, media_type)
    assert [path for path, _ in tree.walk()] == ["", "etc", "etc/kept", "etc/l", "etc/other"]
    kept, other = tree.get("etc/kept"), tree.get("etc/other")
    assert kept is not None
    assert other is not None
    assert (kept.content, other.content, other.size) == (b"hello", None, 3000)


def test_metadata_is_kept_and_programs_are_scanned(store: Store) -> None:
    data = tar([folder("srv", mode=0o2775, uid=7, gid=8), file("srv/elf", elf(b"3.11.2"), mode=0o4755, uid=9)])
    tree = _read(store, gzip.compress(data), data)
    srv, program = tree.get("srv"), tree.get("srv/elf")
    assert srv is not None
    assert program is not None
    assert (srv.kind, srv.mode, srv.uid, srv.gid) == ("directory", 0o2775, 7, 8)
    assert (program.mode, program.uid) == (0o4755, 9)
    assert program.elf is not None
    assert program.elf.pythons == {"3.11.2"}


def test_a_hard_link_repeats_its_file(store: Store) -> None:
    data = _tar(_member("a/kept", size=5), _member("a/again", tarfile.LNKTYPE, "a/kept"))
    assert (node := _read(store, gzip.compress(data), data).get("a/again")) is not None
    assert (node.content, node.size) == (bytes(5), 5)


def test_names_that_are_long_or_not_text_are_read(store: Store) -> None:
    long = "/".join(["deep" * 10] * 8)
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        data = _tar(_member(f"./{long}"), _member("caf\udce9"), _member("./", tarfile.DIRTYPE), form=form)
        tree = _read(store, gzip.compress(data), data)
        assert tree.get(long) is not None
        assert tree.get("caf\udce9") is not None


def test_whiteouts_hide_what_is_below(store: Store) -> None:
    lower = [file("a/one"), file("a/two"), file("b/one"), file("c")]
    upper = [file("a/.wh.one"), file("b/.wh..wh..opq"), file("b/new"), file("a/.wh..wh.plnk"), file("d/.wh.gone")]
    tree = tree_of(lower, upper, store=store)
    assert [path for path, node in tree.walk() if node.kind == "file"] == ["a/two", "b/new", "c"]


@pytest.mark.parametrize(
    "member",
    [
        _member("../etc/passwd"),
        _member("a/../../b"),
        _member("/etc/passwd"),
        _member("a/.wh..."),
        _member(".wh."),
        _member("a/.wh.."),
        _member("a", tarfile.LNKTYPE, "../../etc/shadow"),
        _member("a", tarfile.LNKTYPE, "/etc/shadow"),
        _member("a", tarfile.LNKTYPE, "missing"),
        _member("a", b"Z"),
        _member("a", b"\xff"),
        _member("/".join(["d"] * 300)),
    ],
    ids=lambda member: member.name[:20],
)
def test_hostile_entries_are_refused_with_their_place(store: Store, member: tarfile.TarInfo) -> None:
    data = _tar(member)
    with pytest.raises(ContentError) as error:
        _read(store, gzip.compress(data), data)
    assert error.value.where is not None
    assert error.value.where.startswith("image, layer 1 (sha256:")


def test_other_bytes_than_the_config_says_are_refused(store: Store) -> None:
    with pytest.raises(ContentError, match="the config says") as error:
        _read(store, gzip.compress(TAR), TAR + b"\0")
    assert error.value.hint is not None


@pytest.mark.parametrize("media_type", [LAYER_GZIP, LAYER_ZSTD, LAYER_TAR])
def test_a_layer_that_was_cut_short_is_refused(store: Store, media_type: str) -> None:
    whole = {LAYER_GZIP: gzip.compress, LAYER_ZSTD: compressor("zstd"), LAYER_TAR: bytes}[media_type](TAR)
    for length in {0, 1, len(whole) // 2, len(whole) - 1}:
        with pytest.raises(ContentError, match=r"too early|tar archive|the config says"):
            _read(store, whole[:length], TAR, media_type)


@pytest.mark.parametrize("media_type", [LAYER_GZIP, LAYER_ZSTD])
def test_a_layer_of_other_bytes_is_refused(store: Store, media_type: str) -> None:
    whole = {LAYER_GZIP: gzip.compress, LAYER_ZSTD: compressor("zstd")}[media_type](TAR)
    for data in (TAR, whole + b"trailing", b"garbage" * 100):
        with pytest.raises(ContentError, match="cannot be read"):
            _read(store, data, TAR, media_type)


def test_a_damaged_header_is_not_taken_for_the_end(store: Store) -> None:
    data = bytearray(tar([file("a"), file("b"), file("c")]))
    data[512] ^= 1
    with pytest.raises(ContentError, match="tar archive"):
        _read(store, gzip.compress(data), bytes(data))


@pytest.mark.parametrize(
    ("media_type", "why"),
    [
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "may not be distributed"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "may not be distributed"),
        ("application/vnd.example.layer+squashfs", "unknown media type"),
    ],
)
def test_other_media_types_are_named(store: Store, media_type: str, why: str) -> None:
    with pytest.raises(ContentError, match=why):
        _read(store, gzip.compress(TAR), TAR, media_type)


def test_a_bomb_is_recognised_without_its_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_module, "_ALLOWANCE", 4 * 1024**2)
    for media_type, pack in ((LAYER_GZIP, gzip.compress), (LAYER_ZSTD, compressor("zstd"))):
        data = pack(_tar(_member("zeros", size=64 * 1024**2)))
        tracemalloc.start()
        with pytest.raises(ContentError, match="bomb"):
            _read(store, data, b"", media_type)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12 * 1024**2


def test_there_is_a_limit_to_all_layers_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "_TOTAL_LIMIT", 40_000)
    tree_of([file("a", bytes(20_000))], store=store)
    with pytest.raises(ContentError, match="the layers hold more than"):
        tree_of([file("a", bytes(20_000))], [file("b", bytes(20_000))], store=store)


def test_there_is_a_limit_to_entries_and_to_texts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "_TEXT_LIMIT", 4)
    with pytest.raises(ContentError, match="etc/kept: 5 bytes"):
        _read(store, gzip.compress(TAR), TAR)
    monkeypatch.setattr(layers_module, "_ENTRY_LIMIT", 1)
    with pytest.raises(ContentError, match="more than 1 files"):
        _read(store, gzip.compress(TAR), TAR)


def test_an_endless_header_and_a_negative_size_are_refused(store: Store) -> None:
    endless = _member("x", tarfile.XHDTYPE, size=2 * 1024**2)
    negative = bytearray(tar([file("a")]))
    negative[124:136] = b"\xff" * 10 + b"\xfe\x00"
    negative[148:156] = b"%06o\0 " % (sum(negative[:148]) + 8 * 32 + sum(negative[156:512]))
    for data in (_tar(endless), bytes(negative)):
        with pytest.raises(ContentError, match="a header that announces"):
            _read(store, gzip.compress(data), data)


def test_a_chain_of_headers_is_refused(store: Store) -> None:
    data = _tar(*[_member("x", tarfile.XHDTYPE) for _ in range(3000)], _member("a"))
    with pytest.raises(ContentError, match="tar archive"):
        _read(store, gzip.compress(data), data)


def test_a_blob_that_was_damaged_in_the_store_is_blamed_there(store: Store) -> None:
    data = gzip.compress(TAR)
    blob = Descriptor(media_type=LAYER_GZIP, digest=store.add(data), size=len(data))
    store.path(blob.digest).write_bytes(data[:-20] + bytes(20))
    reader = LayerReader(store, Selection(kept=lambda _: False, scanned=lambda _: False), where="image")
    with pytest.raises(ContentError, match="was damaged and has been removed"):
        reader.read(blob, digest_of(TAR), task=Silent())
    assert blob.digest not in store
