"""The base image's pure parts; that the image has its recorded digests is asserted where images are built."""

import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from reprobuild.errors import ContentError, LockError

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
import base_image  # noqa: E402
import debian_tree  # noqa: E402
from debian_archive import closure, default_mirror, mirror_of, parse_stanza  # noqa: E402
from ld_so_cache import library_cache, library_names  # noqa: E402

MIRROR = "http://mirror.example/debian"


@pytest.mark.parametrize(
    ("packaged", "merged"),
    [
        ("bin/sh", "usr/bin/sh"),
        ("sbin/ldconfig", "usr/sbin/ldconfig"),
        ("lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"),
        ("lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2"),
        ("lib64", "usr/lib64"),
        ("usr/bin/env", "usr/bin/env"),
        ("library/x", "library/x"),
        ("etc/bin/x", "etc/bin/x"),
    ],
)
def test_files_of_top_folders_go_below_usr(packaged: str, merged: str) -> None:
    assert debian_tree.usr_merged(packaged) == merged


def test_of_documentation_only_licences_stay() -> None:
    assert debian_tree.is_kept("usr/share/doc/bash/copyright")
    assert debian_tree.is_kept("usr/share/zoneinfo/Europe/Berlin")
    assert debian_tree.is_kept("usr/share/manifest")
    for path in ("doc/bash/README", "man/man1/bash.1.gz", "locale/de/x.mo", "zoneinfo/right/UTC"):
        assert not debian_tree.is_kept(f"usr/share/{path}")


def test_certificates_are_bundled_in_order_of_their_paths_each_on_lines_of_its_own() -> None:
    assert debian_tree.bundle({"m/b.crt": b"B\n", "m/a.crt": b"A", "m/B.crt": b"C\n\n"}) == b"C\nA\nB\n"


def test_status_says_that_packages_are_installed_sorted_by_name() -> None:
    found = debian_tree.status(["Package: b\nVersion: 2\nDescription: x\n Package: y\n", "Package: a\nVersion: 1\n"])
    assert found == (
        "Package: a\nStatus: install ok installed\nVersion: 1\n\n"
        "Package: b\nStatus: install ok installed\nVersion: 2\nDescription: x\n Package: y\n\n"
    )


def test_a_stanza_keeps_continuation_lines() -> None:
    assert parse_stanza("Package: a\nDescription: x\n y\n .\nSize: 1\n") == {
        "Package": "a",
        "Description": "x\n y\n .",
        "Size": "1",
    }


def test_the_machines_own_mirror_is_taken_the_suites_own_first() -> None:
    lines = [
        "Docker|Docker CE|bookworm|http://docker.example/debian",
        "Debian|Debian-Security|bookworm-security|http://mirror.example/debian-security",
        "Debian|Debian|trixie|http://other.example/debian",
        f"Debian|Debian|bookworm|{MIRROR}",
    ]
    assert mirror_of("\n".join(lines)) == MIRROR
    assert mirror_of("\n".join(lines[:3])) == "http://other.example/debian"
    assert mirror_of("\n".join(lines[:2])) is None
    assert mirror_of("Ubuntu|Ubuntu|noble|http://mirror.example/ubuntu\n") is None
    assert mirror_of("") is None


def test_a_closure_takes_first_alternatives_and_leaves_out_what_it_is_told_to() -> None:
    stanzas = {
        "python3": "Package: python3\nPre-Depends: libc6 (>= 2)\nDepends: media | mime, debconf (>= 1) | debconf-2\n",
        "libc6": "Package: libc6\nDepends: gone | libgcc:any (= 1)\n",
        "libgcc": "Package: libgcc\nDepends: libc6\n",
        "media": "Package: media\n",
        "mime": "Package: mime\n",
        "debconf": "Package: debconf\nDepends: perl\n",
    }
    assert closure(stanzas, ["python3"], {"debconf": "asks"}) == ["libc6", "libgcc", "media", "python3"]
    with pytest.raises(LockError, match="no package perl"):
        closure(stanzas, ["python3"], {})


def test_the_committed_list_reads_back_as_it_was_written() -> None:
    text = base_image.PACKAGES.read_text()
    image, packages = base_image.parse_packages(text)
    assert base_image.format_packages(image, reversed(packages)) == text
    names = {each: {one.name for one in packages if one.architecture == each} for each in ("amd64", "arm64")}
    assert names["amd64"] == names["arm64"] >= set(base_image.WANTED)
    assert not names["amd64"] & {"debconf", "dpkg", "openssl", "perl-base"}


@pytest.mark.parametrize("text", ["", "hello\n", "amd64 a 1 00\n", "image sha256:0\nx\n"])
def test_a_damaged_list_is_refused(text: str) -> None:
    with pytest.raises(LockError, match="not a list of packages") as caught:
        base_image.parse_packages(text, where="here")
    assert caught.value.where == "here"
    assert caught.value.hint


def test_libraries_are_cached_as_ldconfig_reads_them(tmp_path: Path) -> None:
    files = {
        "libz.so.1": "libz.so.1.2",
        "libz.so.1.2": "",
        "libdb-5.3.so": "",
        "libc.so.6": "",
        "gconv": "",
        "x.txt": "",
    }
    names = library_names(files)
    assert names == ["libc.so.6", "libdb-5.3.so", "libz.so.1"]
    cache = tmp_path / "cache"
    cache.write_bytes(library_cache("x86_64-linux-gnu", [*names, "libz.so.10", "libz.so.9"]))
    done = subprocess.run(["/sbin/ldconfig", "-p", "-C", str(cache)], capture_output=True, text=True, check=True)
    lines = [line.split()[0] for line in done.stdout.splitlines() if "=> /lib/x86_64-linux-gnu/lib" in line]
    assert lines == ["libz.so.10", "libz.so.9", "libz.so.1", "libdb-5.3.so", "libc.so.6"]
    assert "(libc6,x86-64)" in done.stdout


def test_a_layout_is_whole_only_with_all_of_its_blobs(tmp_path: Path) -> None:
    layout = base_image.Layout(tmp_path / "layout")
    assert layout.whole_index() is None
    layout.create()
    layer, _ = layout.add_layer([b"tar"])
    config = layout.add(base_image.CONFIG, b"{}")
    manifest = base_image.Manifest(config=config, layers=(layer,))
    described = layout.add(base_image.MANIFEST, base_image.canonical_json(manifest.to_json()), base_image.PLATFORMS[0])
    index = base_image.Index(manifests=(described,))
    named = layout.add(base_image.INDEX, base_image.canonical_json(index.to_json()))
    layout.tag(named)
    assert (found := layout.whole_index()) is not None
    assert found[0].digest == named.digest
    layout.blob(layer.digest).write_bytes(b"other")
    assert layout.whole_index() is None


def test_a_folder_that_is_no_layout_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(base_image.SpecificationError, match="no image layout"):
        base_image.make(tmp_path, update=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def deb(folder: Path, name: str, members: list[tarfile.TarInfo | tuple[str, bytes]]) -> Path:
    """Write a .deb with *members*: directories and links as they are, files as path and content."""
    control = f"Package: {name}\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\n".encode()
    parts = {"control.tar": tar([("./control", control)]), "data.tar": tar(members)}
    data = b"!<arch>\n"
    for title, body in {"debian-binary": b"2.0\n", **parts}.items():
        data += f"{title:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n".encode() + body + b"\n" * (len(body) % 2)
    path = folder / f"{name}.deb"
    path.write_bytes(data)
    return path


def tar(members: list[tarfile.TarInfo | tuple[str, bytes]]) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for member in members:
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[0])
                info.size, info.mtime = len(member[1]), 1700000000
                archive.addfile(info, BytesIO(member[1]))
            else:
                archive.addfile(member)
    return out.getvalue()


def special(path: str, kind: bytes, target: str = "", mode: int = 0o755, gid: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.mode, info.gid = kind, target, mode, gid
    return info


def system() -> list[tarfile.TarInfo | tuple[str, bytes]]:
    """Return what configuration reads of base-files, base-passwd, libc-bin, libc6 and ca-certificates."""
    copied = [
        (f"./{path}", path.encode())
        for path in (
            "usr/share/base-passwd/group.master",
            "usr/share/base-passwd/passwd.master",
            "usr/share/libc-bin/nsswitch.conf",
            "usr/share/base-files/profile",
            "usr/share/base-files/dot.bashrc",
            "usr/share/base-files/dot.profile",
            "usr/share/ca-certificates/mozilla/Z.crt",
            "usr/share/ca-certificates/mozilla/A.crt",
            "lib/x86_64-linux-gnu/libc.so.6",
        )
    ]
    return [special("./", tarfile.DIRTYPE), special("./lib/", tarfile.DIRTYPE), *copied]


def test_packages_become_a_configured_tree_in_order(tmp_path: Path) -> None:
    members = [
        special("./bin/", tarfile.DIRTYPE),
        special("./tmp/", tarfile.DIRTYPE, mode=0o1777),
        special("./var/local/", tarfile.DIRTYPE, mode=0o2775, gid=50),
        special("./usr/share/doc/one/", tarfile.DIRTYPE),
        ("./usr/share/doc/one/README", b"read"),
        ("./bin/second", b"tool"),
        special("./bin/first", tarfile.LNKTYPE, "./bin/second"),
        special("./bin/sh", tarfile.SYMTYPE, "first", mode=0o644),
    ]
    debs = [deb(tmp_path, "one", members), deb(tmp_path, "base", system())]
    tree = debian_tree.tree_of(debs, tmp_path)
    paths = [entry.path for entry, _ in tree]
    assert paths == sorted(paths, key=str.encode)
    found = {entry.path: (entry, b"".join(debian_tree.chunks(content))) for entry, content in tree}
    assert (found["bin"][0].kind, found["bin"][0].target) == ("symlink", "usr/bin")
    assert (found["lib"][0].target, "lib64" in found) == ("usr/lib", False)
    assert found["usr/bin/first"][1] == b"tool"
    assert (found["usr/bin/second"][0].kind, found["usr/bin/second"][0].target) == ("hardlink", "usr/bin/first")
    assert (found["usr/bin/sh"][0].mode, found["tmp"][0].mode, found["var/local"][0].gid) == (0o777, 0o1777, 50)
    assert "usr/share/doc/one" not in found
    assert found["etc/passwd"][1] == b"usr/share/base-passwd/passwd.master"
    assert found["etc/ssl/certs/ca-certificates.crt"][1].splitlines()[0].endswith(b"/A.crt")
    assert found["var/lib/dpkg/info/one:amd64.list"][1].decode().splitlines()[-2:] == ["/bin/first", "/bin/sh"]
    assert found["var/lib/dpkg/info/base:amd64.list"][1].startswith(b"/.\n/lib\n")
    assert found["var/lib/dpkg/status"][1].startswith(b"Package: base\nStatus: install ok installed\n")
    assert all(entry.size == len(content) for entry, content in found.values() if entry.kind == "file")


def test_two_packages_may_not_differ_about_a_path(tmp_path: Path) -> None:
    debs = [deb(tmp_path, "one", [("./bin/x", b"1")]), deb(tmp_path, "two", [("./usr/bin/x", b"2")])]
    with pytest.raises(ContentError, match="differ about usr/bin/x"):
        debian_tree.tree_of(debs, tmp_path)


def test_a_path_that_leaves_the_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="unsafe path"):
        debian_tree.tree_of([deb(tmp_path, "one", [("./../x", b"1")])], tmp_path)


def test_debootstraps_mirror_is_its_default() -> None:
    assert default_mirror(f'WHO_AM_I=x\n  DEF_MIRROR="{MIRROR}"\nDEF_HTTPS_MIRROR="x"\n') == MIRROR
    assert default_mirror("DEF_MIRROR=\n") is None
