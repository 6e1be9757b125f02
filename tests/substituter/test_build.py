"""`reprobuild build` with a substituter: what is taken on whose word, what is offered, and what is said."""

import shutil
from pathlib import Path

import anyio
import pytest

from tests.conftest import Run
from tests.servers import RunningRegistry, serve
from tests.substituter.conftest import SPECIFICATION, Runner, make_key


def _outcomes(runner: Runner, *arguments: str, **environ: str) -> set[tuple[str, bool, bool]]:
    done = runner.build("--json", *arguments, **environ)
    assert done.code == 0, done.err
    images = [image for one in done.json["connectors"] for image in one["images"]]
    return {(image["outcome"], image["substituted"], image["cached"]) for image in images}


def _specify(runner: Runner, text: str) -> None:
    runner.project.specify(SPECIFICATION + text)


def _forget_outputs(runner: Runner) -> None:
    """Let no lock record anything."""
    for path in (runner.project.root / "lock").glob("pylock.*.toml"):
        path.write_text(path.read_text().split("[tool.reprobuild.outputs")[0])


def _offer(runner: Runner, **environ: str) -> None:
    done = runner.project.run("build", "--all", "--substituter", runner.place, "--push-outputs", **environ)
    assert done.code == 0, done.err


def test_an_empty_store_gets_everything_from_there(runner: Runner) -> None:
    index = runner.project.index
    index.requests.clear()
    done = runner.build()
    assert done.code == 0, done.err
    assert "substituted: 4 of 4 images" in done.err
    assert done.out.count("substituted)") == 4
    assert index.requests == []
    assert "wheel layers" not in done.err
    # By now the store has them.
    again = runner.build()
    assert (again.code, again.out.replace(", substituted", "")) == (0, done.out.replace(", substituted", ""))
    assert "substituted" not in again.out + again.err


def test_json_says_what_was_substituted(runner: Runner) -> None:
    assert _outcomes(runner) == {("verified", True, True)}
    assert _outcomes(runner) == {("verified", False, True)}


def test_images_are_written_whole(runner: Runner, tmp_path: Path, run: Run) -> None:
    assert runner.build("-o", f"oci:{tmp_path}/layout").code == 0
    assert runner.project.run("build", "--all", "-o", f"oci:{tmp_path}/other").code == 0
    assert (tmp_path / "layout/index.json").read_bytes() == (tmp_path / "other/index.json").read_bytes()
    run("skopeo", "inspect", f"oci:{tmp_path}/layout:source-one")


def test_one_changed_connector_is_built_and_the_rest_taken(runner: Runner) -> None:
    text = SPECIFICATION.replace('entrypoint = ["source-two"]', 'entrypoint = ["source-two", "--loud"]')
    runner.project.specify(text)
    assert _outcomes(runner) == {("verified", True, True), ("new", False, False)}


def test_offline_asks_nobody(runner: Runner) -> None:
    with serve(lambda exchange: exchange.send(500)) as server:
        done = runner.run("build", "--all", "--offline", "--substituter", f"{server.host}/x")
        assert done.code == 2
        assert server.exchanges == []


def test_none_is_nobody(runner: Runner) -> None:
    with serve(lambda exchange: exchange.send(500)) as server:
        _specify(runner, f'\n[tool.reprobuild.substituter]\nrepository = "{server.host}/x"\npush = true\n')
        assert runner.run("build", "--all", "--substituter", "none").code == 0
        assert server.exchanges == []


def test_a_broken_one_costs_a_note(runner: Runner) -> None:
    with serve(lambda exchange: exchange.send(500)) as server:
        done = runner.run("build", "--all", "--substituter", f"{server.host}/x")
    assert done.code == 0, done.err
    assert f"{server.host}/x is not asked any more" in done.err
    assert done.out == runner.project.run("build", "--all").out


def test_verify_makes_the_image_itself(runner: Runner, tmp_path: Path) -> None:
    assert runner.build("-o", f"oci:{tmp_path}/layout").code == 0
    runner.project.index.requests.clear()
    done = runner.run("verify", f"oci:{tmp_path}/layout:source-one")
    assert done.code == 0, done.err
    assert runner.project.index.requests


# On whose word


def test_what_nobody_recorded_or_signed_is_built(runner: Runner) -> None:
    _forget_outputs(runner)
    assert _outcomes(runner) == {("new", False, False)}


@pytest.fixture
def signed(empty: Runner, key: Path) -> Runner:
    """A runner whose substituter has signed outputs, whose locks record none, and who trusts the key."""
    _offer(empty, REPROBUILD_KEY=str(key))
    _forget_outputs(empty)
    shutil.copy(key.with_suffix(".pub"), empty.project.root / "ci.pub")
    _specify(empty, f'\n[tool.reprobuild.substituter]\nrepository = "{empty.place}"\nkeys = ["ci.pub"]\n')
    return empty


def test_what_a_trusted_key_signed_is_taken(signed: Runner) -> None:
    assert _outcomes(signed) == {("new", True, True)}


def test_keys_hold_for_the_substituter_on_the_command_line(signed: Runner) -> None:
    _specify(signed, '\n[tool.reprobuild.substituter]\nrepository = "localhost:1/x"\nkeys = ["ci.pub"]\n')
    assert _outcomes(signed) == {("new", True, True)}


def test_what_another_key_signed_is_built(signed: Runner, tmp_path: Path, run: Run) -> None:
    other = make_key(tmp_path / "other.pem", run)
    shutil.copy(other.with_suffix(".pub"), signed.project.root / "ci.pub")
    done = signed.build("--json")
    assert "none of its 1 signatures is of the given key" in done.err
    assert {image["substituted"] for one in done.json["connectors"] for image in one["images"]} == {False}


def test_what_is_signed_for_another_derivation_is_built(signed: Runner) -> None:
    one, two = anyio.run(signed.images)[:2]
    layers: list[object] = []
    signed.replace_entry(two.key, lambda value: layers.extend(value["layers"]))
    signed.replace_entry(one.key, lambda value: value.update(layers=layers))
    done = signed.build("--json")
    images = [image for found in done.json["connectors"] for image in found["images"]]
    assert [image["substituted"] for image in images] == [False, True, True, True]
    assert "about another image, or another derivation" in done.err
    assert images[0]["manifest"]["digest"] != images[1]["manifest"]["digest"]


def test_without_keys_nobody_is_trusted(signed: Runner) -> None:
    _specify(signed, f'\n[tool.reprobuild.substituter]\nrepository = "{signed.place}"\n')
    assert _outcomes(signed) == {("new", False, False)}


def test_a_key_that_is_not_there(signed: Runner) -> None:
    (signed.project.root / "ci.pub").unlink()
    done = signed.build()
    assert done.code == 2
    assert "ci.pub: there is no such key" in done.err


def test_what_is_no_key(signed: Runner) -> None:
    (signed.project.root / "ci.pub").write_text("no key")
    done = signed.build()
    assert done.code == 2
    assert "not a public key" in done.err


def test_a_record_counts_more_than_a_signature(signed: Runner) -> None:
    assert signed.build("--record").code == 0
    changed = signed.project.root / "lock" / "pylock.source-one.toml"
    before = changed.read_text()
    lines = [
        line[:-3] + ("0" if line[-3] != "0" else "1") + line[-2:] if line.startswith("manifest = ") else line
        for line in before.splitlines()
    ]
    changed.write_text("\n".join(lines) + "\n")
    shutil.rmtree(signed.store.root)
    done = signed.build()
    assert done.code == 1
    assert "the lock records" in done.err
    assert done.out.count("mismatch") == 2


# What is offered


def test_what_is_there_is_not_sent_again(runner: Runner, registry: RunningRegistry) -> None:
    before = len(registry.asked("PUT", runner.repository))
    done = runner.project.run("build", "--all", "--substituter", runner.place, "--push-outputs")
    assert done.code == 0
    assert "0 new" in done.err
    assert len(registry.asked("PUT", runner.repository)) == before


def test_layers_of_the_base_stay_where_they_are(runner: Runner, registry: RunningRegistry) -> None:
    sent = registry.asked("PUT", f"/{runner.repository}/blobs/")
    base = {path.name for path in (runner.project.root / "base/blobs/sha256").iterdir()}
    assert sent
    assert not [target for target in sent if any(name in target for name in base)]


def test_push_in_the_specification_offers_what_a_build_made(empty: Runner) -> None:
    _specify(empty, f'\n[[tool.reprobuild.substituter]]\nrepository = "{empty.place}"\npush = true\n')
    # The maker's store has it all: nothing is made, and nothing asked.
    assert "offering" not in empty.project.run("build", "--all").err
    done = empty.run("build", "--all")
    assert done.code == 0, done.err
    assert "4 new" in done.err
    shutil.rmtree(empty.store.root)
    taken = empty.run("build", "--all")
    assert "substituted: 4 of 4 images" in taken.err
    assert "offering" not in taken.err


def test_a_signature_is_added_to_what_is_there(runner: Runner, key: Path) -> None:
    done = runner.project.run(
        "build", "--all", "--substituter", runner.place, "--push-outputs", REPROBUILD_KEY=str(key)
    )
    assert "4 new" in done.err
    shutil.copy(key.with_suffix(".pub"), runner.project.root / "ci.pub")
    _specify(runner, f'\n[tool.reprobuild.substituter]\nrepository = "{runner.place}"\nkeys = ["ci.pub"]\n')
    _forget_outputs(runner)
    assert _outcomes(runner) == {("new", True, True)}


def test_a_place_that_takes_nothing_is_a_warning(empty: Runner) -> None:
    with serve(lambda exchange: exchange.send(405, b"{}")) as server:
        done = empty.project.run("build", "--all", "--substituter", f"{server.host}/x", "--push-outputs")
    assert done.code == 0, done.err
    assert "was not offered" in done.err
    assert "no more outputs are offered" in done.err


def test_a_key_that_cannot_be_used_is_a_warning(empty: Runner) -> None:
    done = empty.project.run(
        "build", "--all", "--substituter", empty.place, "--push-outputs", REPROBUILD_KEY="/nowhere"
    )
    assert (done.code, "without a signature" in done.err) == (0, True)


def test_variables_stand_for_the_options(empty: Runner) -> None:
    environ = {"REPROBUILD_SUBSTITUTER": empty.place, "REPROBUILD_PUSH_OUTPUTS": "1"}
    assert "4 new" in empty.project.run("build", "--all", **environ).err
    done = empty.run("build", "--all", REPROBUILD_SUBSTITUTER=empty.place)
    assert "substituted: 4 of 4 images" in done.err


def test_outputs_need_a_place(empty: Runner) -> None:
    done = empty.project.run("build", "--all", "--push-outputs")
    assert done.code == 2
    assert "there is no substituter" in done.err


# What the specification says


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('substituter = "x"', "must be"),
        ("[tool.reprobuild.substituter]", "repository: is missing"),
        ('[tool.reprobuild.substituter]\nrepository = "oci:x"', "not a repository"),
        ('[tool.reprobuild.substituter]\nrepository = "ghcr.io/a/b:1"', "not a repository"),
        ('[tool.reprobuild.substituter]\nrepository = "ghcr.io/a/b"\nkey = "x"', "unknown key"),
        ('[tool.reprobuild.substituter]\nrepository = "ghcr.io/a/b"\nkeys = "x"', "must be a list"),
        ('[tool.reprobuild.substituter]\nrepository = "ghcr.io/a/b"\npush = "yes"', "must be true or false"),
        ('[[tool.reprobuild.substituter]]\nrepository = "ghcr.io/a/b"\n' * 2, "stands twice"),
    ],
)
def test_mistakes_are_told_with_their_place(empty: Runner, text: str, why: str) -> None:
    head, _, rest = SPECIFICATION.partition("\n\n")
    empty.project.specify(f"{head}\n{text}\n\n{rest}" if text.startswith("sub") else SPECIFICATION + text)
    done = empty.run("build", "--all")
    assert done.code == 2
    assert "tool.reprobuild.substituter" in done.err
    assert why in done.err
