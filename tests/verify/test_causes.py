"""A fault for each named cause: it is injected into an image, and the comparison names it."""

import gzip
import io
import re
import struct
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from reprobuild.canonical import digest_of
from reprobuild.oci.types import LAYER_TAR
from reprobuild.store import Store
from reprobuild.verify.cause import CAUSES, Cause, rank
from reprobuild.verify.difference import Difference
from tests.image.test_rpm import database, header
from tests.images import AMD64, ARM64
from tests.verify.pairs import TIME, File, Image, Layer, compared, folder, index, site

DOCUMENT = Path(__file__).parents[2] / "docs/reference/causes.md"


def only(*files: File) -> Image:
    return Image(files=files)


def file(data: bytes, path: str = "app/data") -> Image:
    return only(File(path=path, data=data))


def pyc(code: bytes, *, time: int = TIME, magic: int = 3495, flags: int = 0) -> Image:
    header = struct.pack("<HHIII", magic, 0x0A0D, flags, time, 9)
    return file(header + code, "app/__pycache__/main.cpython-311.pyc")


def zipped(*names: str, year: int = 2024) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), name)
    return target.getvalue()


def dpkg(version: str) -> Image:
    text = f"Package: curl\nStatus: install ok installed\nVersion: {version}\n\nPackage: zlib\nVersion: 1\n"
    return file(text.encode(), "var/lib/dpkg/status")


def layers(*files: Sequence[File], base: Layer | None = None) -> Image:
    first, *rest = (Layer(files=one) for one in files)
    image = Image(upper=first, more=rest)
    return replace(image, base=base) if base else image


def time_of(created: str) -> Image:
    return Image(history=[{"created": created, "created_by": "RUN x"}])


ONE, TWO = File(path="app/one", data=b"1\n"), File(path="app/two", data=b"2\n")
OTHER_BASE = Layer(files=[File(path="etc/os-release", data=b"ID=debian\nVERSION_ID=12\n")])
_PLAIN = Image()
_BASE_OF = {"org.opencontainers.image.base.digest": "sha256:1"}

FAULTS: list[tuple[Cause, Image, Image, str]] = [
    ("base moved", _PLAIN, Image(base=OTHER_BASE), "layer 1"),
    (
        "base moved",
        Image(annotations={"org.opencontainers.image.base.digest": "sha256:1"}),
        Image(annotations={"org.opencontainers.image.base.digest": "sha256:2"}),
        "manifest annotation org.opencontainers.image.base.digest",
    ),
    (
        "different wheel version",
        only(*site("idna", "3.4", {"idna/core.py": b"a = 1\n"})),
        only(*site("idna", "3.6", {"idna/core.py": b"a = 2\n"})),
        "idna",
    ),
    (
        "wheel swapped",
        only(*site("idna", "3.4", {"idna/core.py": b"a = 1\n"})),
        only(*site("idna", "3.4", {"idna/core.py": b"a = 2\n"})),
        "idna",
    ),
    (
        "distribution",
        _PLAIN,
        only(File(path="app/main.py", data=b"print(1)\n"), *site("six", "1", {"six.py": b""})),
        "six",
    ),
    ("OS package", dpkg("7.88-1"), dpkg("7.88-2"), "curl"),
    (
        "OS package",
        file(b"P:musl\nV:1.2-r0\n\n", "lib/apk/db/installed"),
        file(b"P:musl\nV:1.2-r1\n\n", "lib/apk/db/installed"),
        "musl",
    ),
    (
        "OS package",
        file(b"P:musl\nV:1.2-r0\n\n", "usr/lib/apk/db/installed"),
        file(b"P:musl\nV:1.2-r1\n\n", "usr/lib/apk/db/installed"),
        "musl",
    ),
    (
        "OS package",
        file(database(header(name="curl", version="1")), "var/lib/rpm/rpmdb.sqlite"),
        file(database(header(name="curl", version="2")), "var/lib/rpm/rpmdb.sqlite"),
        "curl",
    ),
    ("OS package", _PLAIN, file(b"Package: tzdata\nVersion: 2024a\n", "var/lib/dpkg/status.d/tzdata"), "tzdata"),
    ("environment", Image(config={"Env": ["A=1", "B=x=y"]}), Image(config={"Env": ["A=2", "B=x=y"]}), "config.Env.A"),
    ("environment", Image(config={"Env": ["A=1", "B=2"]}), Image(config={"Env": ["B=2", "A=1"]}), "config.Env"),
    ("entrypoint", Image(config={"Entrypoint": ["a"]}), Image(config={"Entrypoint": ["b"]}), "config.Entrypoint"),
    ("command", _PLAIN, Image(config={"Cmd": ["b"]}), "config.Cmd"),
    ("user", Image(config={"User": "root"}), Image(config={"User": "1000"}), "config.User"),
    ("workdir", Image(config={"WorkingDir": "/a"}), Image(config={"WorkingDir": "/b"}), "config.WorkingDir"),
    ("label", Image(config={"Labels": {"v": "1"}}), Image(config={"Labels": {"v": "2"}}), "config.Labels.v"),
    ("config", _PLAIN, Image(config={"ExposedPorts": {"80/tcp": {}}}), "config.ExposedPorts"),
    ("config", _PLAIN, Image(extra={"docker_version": "20.10"}), "docker_version"),
    ("file only in one", only(ONE), only(ONE, TWO), "app/two"),
    ("type changed", only(ONE), only(folder("app/one")), "app/one"),
    ("contents", file(b"\0" + bytes(range(200))), file(b"\0" + bytes(range(200, 0, -1))), "app/data"),
    ("contents", file(b"\0a"), file(b"\0ab"), "app/data"),
    ("contents", file(b"a" * 100_000), file(b"b" * 100_000), "app/data"),
    ("text", file(b"one\ntwo\n"), file(b"one\nthree\n"), "app/data"),
    ("time or random value", file(b"built 2024-01-02 03:04:05\n"), file(b"built 2025-02-03 04:05:06\n"), "app/data"),
    (
        "time or random value",
        file(b"at Mon Jan  2 03:04:05 UTC 2024\n"),
        file(b"at Tue Feb  3 04:05:06 UTC 2025\n"),
        "app/data",
    ),
    ("time or random value", file(b"t=1700000000.5\n"), file(b"t=1700000099.25\n"), "app/data"),
    ("time or random value", file(b"in /tmp/pip-build-x8d_/a\n"), file(b"in /tmp/pip-build-99aa/a\n"), "app/data"),
    (
        "time or random value",
        file(b"id 6ba7b810-9dad-11d1-80b4-00c04fd430c8\n"),
        file(b"id 7ba7b810-9dad-11d1-80b4-00c04fd430c9\n"),
        "app/data",
    ),
    ("time or random value", file(b"\0" * 400 + b"\x11\x22"), file(b"\0" * 400 + b"\x33\x22"), "app/data"),
    ("bytecode", pyc(b"code"), pyc(b"code", time=TIME + 9), "app/__pycache__/main.cpython-311.pyc"),
    ("bytecode", pyc(b"code"), pyc(b"ecod"), "app/__pycache__/main.cpython-311.pyc"),
    ("bytecode", pyc(b"code"), pyc(b"code", magic=3531), "app/__pycache__/main.cpython-311.pyc"),
    ("bytecode", pyc(b"code"), pyc(b"code", flags=3), "app/__pycache__/main.cpython-311.pyc"),
    (
        "bytecode",
        only(ONE),
        only(ONE, File(path="app/__pycache__/x.cpython-311.pyc")),
        "app/__pycache__/x.cpython-311.pyc",
    ),
    (
        "RECORD order",
        only(*site("idna", "3.4", {"idna/a.py": b"", "idna/b.py": b""})),
        only(*site("idna", "3.4", {"idna/a.py": b"", "idna/b.py": b""}, reverse=True)),
        "usr/lib/python3/dist-packages/idna-3.4.dist-info/RECORD",
    ),
    (
        "installer note",
        only(ONE),
        only(ONE, File(path="l/a-1.dist-info/direct_url.json")),
        "l/a-1.dist-info/direct_url.json",
    ),
    (
        "installer note",
        file(b"pip\n", "l/a-1.dist-info/INSTALLER"),
        file(b"uv", "l/a-1.dist-info/INSTALLER"),
        "l/a-1.dist-info/INSTALLER",
    ),
    ("line order", file(b"b\na\n"), file(b"a\nb\n"), "app/data"),
    ("line ends", file(b"a\nb\n"), file(b"a\r\nb\r\n"), "app/data"),
    ("zip members", file(zipped("a", "b")), file(zipped("b", "a")), "app/data"),
    ("zip members", file(zipped("a", "b")), file(zipped("a", "b", year=2025)), "app/data"),
    ("gzip header", file(gzip.compress(b"x", mtime=1)), file(gzip.compress(b"x", mtime=2)), "app/data"),
    ("gzip header", file(gzip.compress(b"x" * 99, 1, mtime=1)), file(gzip.compress(b"x" * 99, 0, mtime=1)), "app/data"),
    ("log or cache file", file(b"1", "var/log/dpkg.log"), file(b"2", "var/log/dpkg.log"), "var/log/dpkg.log"),
    ("log or cache file", only(ONE), only(ONE, File(path="root/.cache/pip/x")), "root/.cache/pip/x"),
    ("log or cache file", file(b"1", "etc/machine-id"), file(b"2", "etc/machine-id"), "etc/machine-id"),
    (
        "link target",
        only(File(path="bin", kind=tarfile.SYMTYPE, target="usr/bin")),
        only(File(path="bin", kind=tarfile.SYMTYPE, target="/usr/bin")),
        "bin",
    ),
    ("mode", only(ONE), only(replace(ONE, mode=0o755)), "app/one"),
    ("owner", only(ONE), only(replace(ONE, uid=1000, gid=1000)), "app/one"),
    ("xattr", only(ONE), only(replace(ONE, pax={"SCHILY.xattr.security.capability": "x"})), "app/one"),
    (
        "device",
        only(File(path="dev/x", kind=tarfile.CHRTYPE, device=(1, 3))),
        only(File(path="dev/x", kind=tarfile.CHRTYPE, device=(1, 5))),
        "dev/x",
    ),
    (
        "hard link",
        only(ONE, replace(ONE, path="app/same")),
        only(ONE, File(path="app/same", kind=tarfile.LNKTYPE, target="app/one")),
        "app/same",
    ),
    ("whiteout", only(ONE), only(ONE, File(path="bin/.wh.true")), "bin/true"),
    ("whiteout", only(ONE), only(ONE, File(path="bin/.wh..wh..opq")), "bin"),
    ("other layer", layers([ONE, TWO], [File(path="x")]), layers([ONE], [File(path="x"), TWO]), "app/two"),
    ("layers", layers([ONE]), layers([ONE], [TWO]), "layers"),
    ("layers", layers([ONE], [TWO]), layers([TWO], [ONE]), "layer 3"),
    ("mtime only", only(ONE), only(replace(ONE, mtime=TIME + 1)), "app/one"),
    ("order", only(ONE, TWO), only(TWO, ONE), "layer 2"),
    ("duplicate entries", only(ONE, TWO), only(ONE, ONE, TWO), "layer 2"),
    ("pax header", only(ONE), only(replace(ONE, user="root")), "layer 2"),
    ("pax header", only(ONE), only(replace(ONE, pax={"comment": "x"})), "layer 2"),
    ("pax header", only(ONE), only(replace(ONE, mtime=TIME + 0.5)), "layer 2"),
    (
        "pax header",
        Image(upper=Layer(files=[ONE])),
        Image(upper=Layer(files=[ONE], form=tarfile.GNU_FORMAT)),
        "layer 2",
    ),
    (
        "compression only",
        Image(upper=Layer(files=[ONE] * 1, level=1)),
        Image(upper=Layer(files=[ONE], level=9)),
        "layer 2",
    ),
    (
        "compression only",
        Image(upper=Layer(files=[ONE])),
        Image(upper=Layer(files=[ONE], media_type=LAYER_TAR)),
        "layer 2",
    ),
    ("media type", _PLAIN, Image(manifest_type="application/vnd.docker.distribution.manifest.v2+json"), "manifest"),
    ("annotation", _PLAIN, Image(annotations={"a": "b"}), "manifest annotation a"),
    # Most builders name no base: that one does says nothing of it.
    (
        "annotation",
        _PLAIN,
        Image(annotations={"org.opencontainers.image.base.digest": "sha256:1"}),
        "manifest annotation org.opencontainers.image.base.digest",
    ),
    (
        "annotation",
        Image(annotations=_BASE_OF | {"org.opencontainers.image.base.name": "python:3"}),
        Image(annotations=_BASE_OF | {"org.opencontainers.image.base.name": "docker.io/library/python:3"}),
        "manifest annotation org.opencontainers.image.base.name",
    ),
    ("created time", _PLAIN, Image(created="2025-01-01T00:00:00Z"), "config.created"),
    ("history", time_of("2024-01-01T00:00:00Z"), time_of("2025-01-01T00:00:00Z"), "history"),
    ("history", Image(history=[{"created_by": "a"}]), Image(history=[{"created_by": "b"}]), "history, entry 1"),
    ("document form", _PLAIN, Image(spaced=True), "config"),
]
_OF_INDEXES: set[Cause] = {"platform", "index", "attestation"}


@pytest.mark.anyio
@pytest.mark.parametrize(("cause", "a", "b", "place"), FAULTS, ids=[f"{one[0]}, {one[3]}" for one in FAULTS])
async def test_a_fault_is_named(cause: Cause, a: Image, b: Image, place: str, store: Store) -> None:
    for one, other in ((a, b), (b, a)):
        comparison = await compared(one, other, store)
        assert (cause, place) in {(found.cause, found.place) for found in comparison.differences}
        assert comparison.verdict != "identical"


@pytest.mark.anyio
@pytest.mark.parametrize("warm", [False, True])
async def test_a_single_fault_has_no_other_cause(store: Store, warm: bool) -> None:
    """What one change brings about is explained by it: nothing else is said of files or layers."""
    if warm:
        for _, a, b, _ in FAULTS:
            await compared(a, b, store)
    for cause, a, b, _ in FAULTS:
        found = {one.cause for one in (await compared(a, b, store)).differences}
        extra = found - {cause, "config", "history", "file only in one", "text", "compression only"}
        assert len(extra) <= (1 if cause in {"other layer", "layers", "base moved", "OS package"} else 0), (
            cause,
            found,
        )


@pytest.mark.anyio
async def test_an_image_is_identical_to_itself(store: Store) -> None:
    for _, a, _, _ in FAULTS:
        comparison = await compared(a, a, store)
        assert (comparison.verdict, comparison.differences) == ("identical", ())


@pytest.mark.anyio
async def test_faults_of_indexes_are_named(store: Store) -> None:
    amd64, arm64 = (Image(platform=platform).add(store) for platform in (AMD64, ARM64))
    attested = replace(
        arm64, annotations={"vnd.docker.reference.type": "attestation-manifest"}, digest=digest_of(b"attestation")
    )
    both = index(store, amd64, arm64)
    cases: list[tuple[Cause, object, str]] = [
        ("platform", index(store, amd64), "linux/arm64"),
        ("index", replace(amd64, platform=None), "index"),
        ("index", index(store, arm64, amd64), "index"),
        ("attestation", index(store, amd64, arm64, attested), "index"),
        ("annotation", index(store, amd64, arm64, annotations={"a": "b"}), "index annotation a"),
    ]
    for cause, other, place in cases:
        found = (await compared(both, other, store)).differences  # type: ignore[arg-type]
        assert (cause, place) in {(one.cause, one.place) for one in found}


# The list itself


def test_every_cause_has_an_explanation_a_fault_and_a_place_in_the_order() -> None:
    names = set(get_args(Cause))
    assert set(CAUSES) == names
    assert {fault[0] for fault in FAULTS} | _OF_INDEXES == names
    assert sorted(rank(cause) for cause in names) == list(range(len(names)))


def test_the_document_lists_every_cause_with_its_fix() -> None:
    rows = re.findall(r"^\| \*([^*|]+)\* \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert [row[0] for row in rows] == list(get_args(Cause))
    for name, meaning, example, fix in rows:
        assert (meaning, fix) == (CAUSES[name].meaning, CAUSES[name].fix)
        assert example.strip()


def test_differences_of_json_are_whole() -> None:
    one = Difference(cause="mode", kind="file", place="a", old="0644", new="0755")
    assert set(one.to_json()) == set(Difference.__slots__)
