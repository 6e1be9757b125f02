"""`reprobuild diff`: what it prints, in how many lines, for which sources, and its exit codes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reprobuild.oci.archive import write_archive
from reprobuild.oci.layout import write_layout
from reprobuild.oci.types import Descriptor
from reprobuild.store import Store
from tests.cli.conftest import Command
from tests.cli.project import Project
from tests.conftest import Run
from tests.images import ARM64
from tests.servers import RunningRegistry
from tests.verify.pairs import TIME, File, Image, Layer, index, site
from tests.verify.test_causes import FAULTS

ONE = File(path="app/one", data=b"1\n")


@pytest.fixture
def layout(tmp_path: Path) -> Callable[..., str]:
    """Write an image into a layout of its own, where commands work; return its reference."""
    store = Store(tmp_path / "made")

    def write(name: str, image: Image | Descriptor) -> str:
        root = image.add(store) if isinstance(image, Image) else image
        write_layout(tmp_path / "empty" / name, entries=[(replace(root, platform=None), "t")], store=store)
        return f"oci:{name}:t"

    return write


def test_identical_images(command: Command, layout: Callable[..., str]) -> None:
    done = command("diff", layout("a", Image()), layout("b", Image()))
    assert done.code == 0
    assert done.out.splitlines()[2] == "identical on linux/amd64"


def test_a_difference_is_explained_and_exits_with_1(command: Command, layout: Callable[..., str]) -> None:
    done = command("diff", layout("a", Image(files=[ONE])), layout("b", Image(files=[replace(ONE, mtime=TIME + 1)])))
    assert done.code == 1
    assert done.out.splitlines()[2:] == [
        "differs on linux/amd64",
        "mtime only  1 path: only the time of modification differs",
        "    /app/one: 2023-11-14 22:13:20 → 2023-11-14 22:13:21",
    ]


def test_recompression_is_told_apart(command: Command, layout: Callable[..., str], run: Run, tmp_path: Path) -> None:
    """What skopeo compresses again is the same content, and has another digest: exit 1."""
    a = layout("a", Image(upper=Layer(files=[ONE] * 9)))
    folder = tmp_path / "empty"
    run(
        "skopeo",
        "--insecure-policy",
        "copy",
        "-q",
        "--dest-compress-format=zstd",
        f"oci:{folder}/a:t",
        f"dir:{folder}/d",
    )
    run(
        "skopeo",
        "--insecure-policy",
        "copy",
        "-q",
        "--dest-compress-format=zstd",
        f"dir:{folder}/d",
        f"oci:{folder}/b:t",
    )
    done = command("diff", a, "oci:b:t")
    assert done.code == 1
    assert done.out.splitlines()[2] == "same content, other compression on linux/amd64"


def many(store: Store) -> tuple[Descriptor, Descriptor]:
    """Return two images that differ in more causes than fit on a screen."""
    sides = []
    for side in (1, 2):
        files = {
            file.path: file
            for fault in FAULTS
            for file in fault[side].files
            if (fault[side].upper, fault[side].more) == (None, ())
        }
        extra = {"config": {"Env": [f"A={side}"], "User": str(side)}, "created": str(side)}
        sides.append(
            replace(Image(files=[*files.values(), *site("x", str(side), {})], **extra).add(store), platform=None)
        )
    return sides[0], sides[1]


def test_the_short_form_has_20_lines_at_most(command: Command, layout: Callable[..., str], tmp_path: Path) -> None:
    a, b = many(Store(tmp_path / "made"))
    done = command("diff", layout("a", a), layout("b", b))
    lines = done.out.splitlines()
    assert len(lines) <= 20
    assert len(lines) > 15
    assert all(len(line) <= 200 for line in lines)


def test_what_tells_how_images_were_made_makes_room(command: Command, layout: Callable[..., str]) -> None:
    """Each of what changes an image comes with an example, however many other causes there are."""
    sides = []
    for side in (1, 2):
        files = [
            replace(ONE, data=b"%d\n" % side, uid=side, mode=0o600 + side),
            File(path="app/later", mtime=TIME + side),
            File(path=f"app/only-{side}"),
            File(path="var/log/x.log", data=b"%d" % side),
        ]
        config = {"Env": [f"A={side}"], "User": f"u{side}", "Labels": {"l": f"{side}"}, "Cmd": [f"{side}"]}
        upper = Layer(files=files if side == 1 else files[::-1])
        more = [Layer(files=[File(path="app/more")])] * (side - 1)
        sides.append(
            Image(
                upper=upper,
                more=more,
                config=config,
                created=f"202{side}-01-01T00:00:00Z",
                history=[{"created_by": f"{side}"}],
                annotations={"a": f"{side}"},
            )
        )
    lines = command("diff", layout("a", sides[0]), layout("b", sides[1])).out.splitlines()
    assert len(lines) <= 20
    examples = [line for line in lines if line.startswith("    ")]
    assert {line.split("  ")[0] for line in lines[3:] if not line.startswith(("    ", "and "))} == {
        *("environment", "command", "user", "label", "file only in one", "text", "mode", "owner"),
    }
    assert len([line for line in examples if line.startswith(("    /", "    config."))]) >= 7
    ending = " ".join(" ".join(lines).partition("and in how they were made: ")[2].split())
    for cause in ("log or cache file (1 path)", "mtime only (1 path)", "layers (1 image)", "created time (1 member)"):
        assert cause in ending


def test_the_full_form_has_every_difference_a_fix_and_the_lines(command: Command, layout: Callable[..., str]) -> None:
    a, b = Image(files=[ONE, File(path="x")]), Image(files=[replace(ONE, data=b"2\n"), File(path="y")])
    done = command("diff", layout("a", a), layout("b", b), "--full")
    assert [line.strip() for line in done.out.splitlines()[4:]] == [
        "file only in one  2 paths: a path is in one of the two only",
        "hint: find the step that writes it, and pin its input",
        "/x: file → nothing (a file in A only)",
        "/y: nothing → file (a file in B only)",
        "",
        "text  1 path: a text file says something else",
        "hint: compare the lines: its source or its input has changed",
        "/app/one (1 lines → 1 lines, 0 in both)",
        "@@ -1 +1 @@",
        "-1",
        "+2",
    ]


def test_json_has_it_all(command: Command, layout: Callable[..., str]) -> None:
    value = command(
        "diff", layout("a", Image(files=[ONE])), layout("b", Image(files=[replace(ONE, uid=7)])), "--json"
    ).json
    assert (value["schema"], value["verdict"], value["platforms"]) == (1, "differs", ["linux/amd64"])
    assert value["a"]["reference"] == "oci:a:t"
    assert [one["cause"] for one in value["causes"]] == ["owner"]
    (one,) = value["differences"]
    assert (one["place"], one["old"], one["new"], one["layers"]) == ("app/one", "0:0", "7:0", [2, 2])


def test_archives_and_layouts_of_one_image(command: Command, layout: Callable[..., str], tmp_path: Path) -> None:
    store = Store(tmp_path / "made")
    root = replace(Image(files=[ONE]).add(store), platform=None)
    for kind in ("oci", "docker"):
        write_archive(tmp_path / "empty" / f"{kind}.tar", entries=[(root, "one:1")], store=store)
    a = layout("a", root)
    assert command("diff", a, "oci-archive:oci.tar").code == 0
    assert command("diff", a, "docker-archive:docker.tar").out.splitlines()[2].startswith("identical")


def test_platforms(command: Command, layout: Callable[..., str], tmp_path: Path) -> None:
    store = Store(tmp_path / "made")
    a = layout("a", index(store, Image().add(store), Image(platform=ARM64).add(store)))
    b = layout("b", index(store, Image().add(store)))
    done = command("diff", a, b)
    assert done.code == 1
    assert "linux/arm64" in done.out
    assert command("diff", a, b, "--platform", "linux/amd64").code == 0
    missing = command("diff", a, b, "--platform", "linux/arm64")
    assert (missing.code, missing.out) == (2, "")
    assert "there is no image for linux/arm64; it has linux/amd64" in missing.err


def test_images_of_the_store(built: Project) -> None:
    done = built.run("diff", "store:source-one", "store:source-one")
    assert (done.code, done.out.splitlines()[2]) == (0, "identical on linux/amd64, linux/arm64")
    two = built.run("diff", "store:source-one", "store:source-two")
    assert two.code == 1
    assert "entrypoint" in two.out
    digest = done.out.split()[1]
    assert built.run("diff", f"store:{digest}", "store:source-one").code == 0
    assert built.run("diff", "store:nobody", "store:source-one").code == 2


def test_an_image_that_was_not_built(locked: Project) -> None:
    done = locked.run("diff", "store:source-one", "store:source-one")
    assert done.code == 2
    assert "hint: run `reprobuild build source-one` first" in done.err


@pytest.mark.parametrize(
    ("reference", "code", "words"),
    [
        ("oci:nowhere", 2, "there is no"),
        ("oci:a:other", 2, "no image 'other'"),
        ("docker-archive:nowhere.tar", 2, "there is no"),
        ("store:sha256:12", 2, "not an image reference"),
        ("store:sha256:" + "1" * 64, 2, "the store has no such image"),
        ("UPPER CASE", 2, "not an image reference"),
    ],
)
def test_what_is_not_there(command: Command, layout: Callable[..., str], reference: str, code: int, words: str) -> None:
    done = command("diff", layout("a", Image()), reference)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "hint: " in done.err


def test_a_registry_and_a_layout(
    command: Command,
    layout: Callable[..., str],
    registry: RunningRegistry,
    push_layout: Callable[..., None],
    tmp_path: Path,
) -> None:
    a, b = layout("a", Image(files=[ONE])), layout("b", Image(files=[replace(ONE, data=b"2\n")]))
    push_layout(f"{tmp_path}/empty/a:t", f"{registry.host}/diff:a")
    assert command("diff", f"{registry.host}/diff:a", a).code == 0
    for _ in range(2):
        assert "text" in command("diff", f"{registry.host}/diff:a", b).out
    gone = command("diff", f"{registry.host}/diff:gone", b)
    assert gone.code == 2
    assert "there is no such image" in gone.err


def test_a_registry_that_wants_credentials(
    command: Command, layout: Callable[..., str], registry_basic: RunningRegistry
) -> None:
    done = command("diff", f"{registry_basic.host}/private:1", layout("a", Image()))
    assert (done.code, done.out) == (4, "")
    assert "hint: " in done.err


def test_nothing_is_left_behind(command: Command, layout: Callable[..., str], tmp_path: Path) -> None:
    command("diff", layout("a", Image(files=[ONE])), layout("b", Image(files=[replace(ONE, uid=7)])))
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


def test_hostile_names_write_nothing_to_the_terminal(command: Command, layout: Callable[..., str]) -> None:
    a = layout("a", Image(files=[File(path="a\x1b[31m\nb", data=b"1")]))
    done = command("diff", a, layout("b", Image(files=[])))
    assert "\x1b" not in done.out
    assert "/a\\x1b[31m\\nb" in done.out
