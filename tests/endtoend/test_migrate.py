"""`reprobuild migrate` on connectors as the notebook has them: written, built, and held against the old image."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.analysis.dockerfiles import fleet_of_dockerfiles
from tests.cli.project import Done, environment, run_here
from tests.resolver.loopback_index import LoopbackIndex

SPECIFICATION = """\
# our workspace
[tool.reprobuild]
platforms = ["linux/amd64"]
connectors = []

[tool.reprobuild.base."python-3.11"]
image = "oci:base:python-3.11"
timezone = "UTC"
"""
METADATA = "data:\n  dockerRepository: airbyte/{name}\n  dockerImageTag: 1.0.0\n  tags: ['language:python']\n"
SETUP = 'from setuptools import setup\nMAIN = ["migrated-one>=1"]\nsetup(name="{snake}", install_requires=MAIN)\n'
NAMES = ("source-klaviyo", "source-amazon-ads", "source-google-sheets")


class Fleet:
    """A workspace with a connector in a folder of its own, as it was before anybody knew of reprobuild."""

    def __init__(self, folder: Path, base: Path, index: LoopbackIndex) -> None:
        self.root = folder / "workspace"
        self.root.mkdir()
        (folder / "home").mkdir()
        (self.root / "base").symlink_to(base)
        (self.root / "pyproject.toml").write_text(SPECIFICATION)
        self._environ = environment(folder, UV_DEFAULT_INDEX=f"{index.url}/simple")

    def add(self, name: str, dockerfile: bytes) -> Path:
        folder, snake = self.root / "connectors" / name, name.replace("-", "_")
        (folder / snake).mkdir(parents=True)
        (folder / snake / "__init__.py").write_text("")
        for main in ("main.py", "main_dev.py"):
            (folder / main).write_text("print('spec')\n")
        (folder / "setup.py").write_text(SETUP.format(snake=snake))
        (folder / "metadata.yaml").write_text(METADATA.format(name=name))
        (folder / "Dockerfile").write_bytes(dockerfile)
        return folder

    def files(self) -> dict[Path, bytes]:
        """What is in the workspace, its base aside."""
        paths = (path for path in self.root.rglob("*") if path.is_file() and "base" not in path.parts)
        return {path: path.read_bytes() for path in paths}

    def run(self, *arguments: str) -> Done:
        return run_here(*arguments, cwd=self.root, environ=self._environ)

    def migrate(self, name: str, *arguments: str) -> Done:
        return self.run("migrate", f"connectors/{name}", "--json", *arguments)


@pytest.fixture
def fleet(tmp_path: Path, base: Path, index: LoopbackIndex) -> Fleet:
    index.wheel("migrated-one", "1.0")
    return Fleet(tmp_path, base, index)


def old_image(fleet: Fleet, tag: str, **config: str) -> str:
    """Make an image on the base with *config*, as umoci calls it, and return its reference."""
    assert shutil.which("umoci"), "umoci is not installed; scripts/test installs what the tests need"
    layout = fleet.root / "old"
    if not layout.exists():
        command = ["skopeo", "copy", "--override-arch", "amd64", "--override-os", "linux", "--quiet"]
        subprocess.run([*command, f"oci:{fleet.root}/base:python-3.11", f"oci:{layout}:base"], check=True)
    options = [word for key, value in config.items() for word in (f"--config.{key.split('_')[0]}", value)]
    command = ["umoci", "config", "--image", f"{layout}:base", "--tag", tag, "--clear", "config.cmd", *options]
    subprocess.run(command, check=True)
    return f"oci:old:{tag}"


@pytest.mark.parametrize("name", NAMES)
def test_three_connectors_keep_what_they_promised(fleet: Fleet, name: str) -> None:
    folder = fleet.add(name, fleet_of_dockerfiles()[name])
    done = fleet.migrate(name, "--against", "none")
    assert done.code == 0, done.err + done.out
    value = done.json
    assert value["kept"] is True
    verdicts = {one["what"]: one["verdict"] for one in value["promises"]}
    assert verdicts["entrypoint"] == verdicts["variable AIRBYTE_ENTRYPOINT"] == "kept"
    assert verdicts["label io.airbyte.name"] == "kept"
    assert (folder / "Dockerfile").exists()
    assert fleet.run("lock", "update", "--check").code == 0
    images = fleet.run("build", name, "--json").json["connectors"][0]["images"]
    assert {image["outcome"] for image in images} == {"verified"}
    text = (fleet.root / "pyproject.toml").read_text()
    assert text.startswith("# our workspace\n")
    assert f'connectors = ["connectors/{name}"]' in text
    before = fleet.files()
    again = fleet.migrate(name, "--against", "none")
    assert (again.code, again.json["files"], again.json["promises"]) == (0, [], value["promises"])
    assert fleet.files() == before
    assert fleet.migrate(name, "--against", "none", "--check").code == 0


CHAT = "source-zendesk-chat"
CHAT_DOCKERFILE = (
    fleet_of_dockerfiles()["source-stripe"]
    .replace(b"source-stripe", b"source-zendesk-chat")
    .replace(b"source_stripe", b"source_zendesk_chat")
    .replace(b"SourceStripe", b"SourceZendeskChat")
)
CUSTOMIZATION = """\
from dagger import Container

MAIN_FILE_NAME = "main_dev.py"


async def post_connector_install(connector_container: Container) -> Container:
    return connector_container.with_env_variable("AIRBYTE_IMPL_PATH", "SourceZendeskSupport")
"""


def test_a_value_that_changed_silently_is_caught(fleet: Fleet) -> None:
    folder = fleet.add(CHAT, CHAT_DOCKERFILE)
    (folder / "build_customization.py").write_text(CUSTOMIZATION)
    done = fleet.migrate(CHAT, "--against", "none")
    assert done.code == 1, done.err + done.out
    broken = [one for one in done.json["promises"] if one["broken"]]
    assert [(one["what"], one["before"], one["after"], one["verdict"]) for one in broken] == [
        ("variable AIRBYTE_IMPL_PATH", "SourceZendeskChat", "SourceZendeskSupport", "changed")
    ]
    entrypoint = next(one for one in done.json["promises"] if one["what"] == "entrypoint")
    assert entrypoint["after"] == "python /airbyte/integration_code/main_dev.py"
    (folder / "build_customization.py").write_text(CUSTOMIZATION.replace("Support", "Chat"))
    assert fleet.run("lock", "update", CHAT).code == 0
    assert fleet.migrate(CHAT, "--against", "none", "--check").code == 0


def test_the_published_image_counts(fleet: Fleet) -> None:
    name = NAMES[0]
    folder = fleet.add(name, fleet_of_dockerfiles()[name])
    entrypoint = "/airbyte/integration_code/main.py"
    same = {"workingdir": "/airbyte/integration_code", "entrypoint_1": "python", "entrypoint_2": entrypoint}
    good = old_image(fleet, "good", env="AIRBYTE_ENTRYPOINT=python " + entrypoint, **same)
    done = fleet.migrate(name, "--against", good, "--delete-dockerfile")
    assert done.code == 0, done.err + done.out
    assert not (folder / "Dockerfile").exists()
    found = {one["what"]: one for one in done.json["promises"]}
    assert found["Python"]["verdict"] == found["OS package bash"]["verdict"] == "kept"
    assert done.json["image"] == good
    assert any(one.startswith("history (") for one in done.json["packing"])
    assert not [one for one in done.json["causes"] if one.startswith("entrypoint")]
    bad = old_image(fleet, "bad", env="MODE=a=b", label="team=chat", user="nobody", **same)
    done = fleet.migrate(name, "--against", bad, "--check")
    assert done.code == 1, done.err + done.out
    broken = {one["what"]: (one["before"], one["verdict"]) for one in done.json["promises"] if one["broken"]}
    assert broken == {
        "user": ("nobody", "changed"),
        "variable MODE": ("a=b", "lost"),
        "label team": ("chat", "lost"),
    }


def test_an_image_that_nobody_reaches_is_told(fleet: Fleet) -> None:
    name = NAMES[0]
    fleet.add(name, fleet_of_dockerfiles()[name])
    nowhere = "localhost:1/airbyte/x:1.0.0"
    done = fleet.migrate(name, "--against", nowhere)
    assert done.code == 0, done.err + done.out
    assert [one["name"] for one in done.json["missing"]] == [nowhere]
    # Who asks whether it keeps what that image promised, has no answer.
    done = fleet.migrate(name, "--check", "--against", nowhere)
    assert (done.code, f"error: {nowhere}: cannot be read" in done.err) == (3, True), done.err
    (fleet.root / "connectors" / name / "Dockerfile").unlink()
    done = fleet.migrate(name, "--check", "--against", "none")
    assert (done.code, "nothing to hold the new image against" in done.err) == (2, True)


def test_what_was_interrupted_goes_on(fleet: Fleet, index: LoopbackIndex) -> None:
    name = NAMES[0]
    folder = fleet.add(name, fleet_of_dockerfiles()[name])
    (folder / "setup.py").write_text('setup(install_requires=["late-one>=1"])\n')
    done = fleet.migrate(name, "--against", "none")
    assert done.code == 2, done.err
    assert "the specification is written: the same command goes on from here\nerror: " in done.err
    assert not list((fleet.root / "lock").glob("*"))
    index.wheel("late-one", "1.0")
    done = fleet.migrate(name, "--against", "none")
    assert (done.code, done.json["files"], done.json["kept"]) == (0, [], True), done.err


def test_a_dockerfile_that_says_more_stays(fleet: Fleet) -> None:
    name = NAMES[0]
    folder = fleet.add(name, fleet_of_dockerfiles()[name] + b"\nEXPOSE 80\n")
    done = fleet.run("migrate", f"connectors/{name}", "--against", "none", "--delete-dockerfile")
    assert (done.code, (folder / "Dockerfile").exists()) == (0, True), done.err
    assert f"left connectors/{name}/Dockerfile where it is: see the notes" in done.err
    # The base has bash: of that there is nothing to say.
    assert "installed as an OS package" not in done.err


def test_a_workspace_without_a_base(fleet: Fleet) -> None:
    fleet.add(NAMES[0], fleet_of_dockerfiles()[NAMES[0]])
    (fleet.root / "pyproject.toml").write_text("[tool.reprobuild]\nconnectors = []\n")
    done = fleet.migrate(NAMES[0], "--against", "none")
    assert (done.code, "there is no base image to build on" in done.err) == (2, True), done.err


def test_a_dry_run_shows_and_writes_nothing(fleet: Fleet) -> None:
    folder = fleet.add(CHAT, CHAT_DOCKERFILE)
    before = fleet.files()
    done = fleet.run("migrate", f"connectors/{CHAT}", "--dry-run")
    assert (done.code, '+requirements = ["migrated-one>=1"]' in done.out) == (0, True), done.err
    value = fleet.migrate(CHAT, "--dry-run").json
    assert set(value["files"]) == {f"connectors/{CHAT}/reprobuild.toml", "pyproject.toml"}
    assert [note["text"] for note in value["notes"]] == ["bash is installed as an OS package"]
    assert fleet.files() == before
    assert folder.exists()


def test_what_the_dockerfile_installs_is_required(fleet: Fleet) -> None:
    """A list that nobody installs is not; what another tool than pip installs is."""
    name = NAMES[0]
    folder = fleet.add(name, b"FROM a\nRUN pip install migrated-one==1.0\n")
    (folder / "requirements.txt").write_text("-e ../../bases/tests\n-e .\n")
    specification = json.loads(fleet.migrate(name, "--dry-run").out)["files"][f"connectors/{name}/reprobuild.toml"]
    assert 'requirements = ["migrated-one==1.0"]' in specification
    (folder / "Dockerfile").write_text("FROM a\nRUN pip install poetry later==2 && poetry install\n")
    specification = json.loads(fleet.migrate(name, "--dry-run").out)["files"][f"connectors/{name}/reprobuild.toml"]
    assert 'requirements = ["migrated-one>=1", "later==2"]' in specification


@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        ({"Dockerfile": "FROM a\n{{ x }}\n"}, (), "a template"),
        ({"Dockerfile": None}, (), "there is no Dockerfile to begin with"),
        ({"setup.py": "setup(install_requires=f())"}, (), "cannot be told without running setup.py"),
        ({"metadata.yaml": "data: ["}, (), "not YAML"),
        ({"metadata.yaml": "data: {}"}, (), "dockerRepository"),
        ({"reprobuild.toml": "user = 'x'\n"}, (), "it has a specification already"),
        ({}, ("--base", "none"), "there is no base image 'none'"),
        ({}, ("--dockerfile", "gone"), "there is no such file"),
        ({"pyproject.toml": "[tool\n"}, (), "pyproject.toml"),
    ],
)
def test_what_cannot_be_moved(
    fleet: Fleet, files: dict[str, str | None], arguments: tuple[str, ...], message: str
) -> None:
    folder = fleet.add(CHAT, CHAT_DOCKERFILE)
    for name, text in files.items():
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)
    before = (fleet.root / "pyproject.toml").read_text()
    done = fleet.migrate(CHAT, "--against", "none", *arguments)
    assert (done.code, message in done.err) == (2, True), done.err
    assert (fleet.root / "pyproject.toml").read_text() == before
    assert not (folder / "hooks").exists()


def test_several_bases_have_to_be_chosen_from(fleet: Fleet) -> None:
    name = NAMES[0]
    folder = fleet.add(name, fleet_of_dockerfiles()[name])
    more = SPECIFICATION + SPECIFICATION[SPECIFICATION.index("[tool.reprobuild.base") :].replace(
        "python-3.11", "other", 1
    )
    (fleet.root / "pyproject.toml").write_text(more)
    done = fleet.migrate(name, "--against", "none")
    assert (done.code, "which base image" in done.err) == (2, True)
    assert fleet.migrate(name, "--against", "none", "--base", "python-3.11").code == 0
    assert 'base = "python-3.11"' in (folder / "reprobuild.toml").read_text()


def test_a_pyproject_keeps_its_comments(fleet: Fleet) -> None:
    folder = fleet.add(CHAT, CHAT_DOCKERFILE)
    project = '[project]\nname = "source-zendesk-chat"\ndependencies = ["migrated-one"] # the one\n'
    own = f"# ours\n{project}\n[tool.x]\ny = 1\n"
    (folder / "pyproject.toml").write_text(own)
    done = fleet.migrate(CHAT, "--against", "none")
    assert done.code == 0, done.err + done.out
    text = (folder / "pyproject.toml").read_text()
    assert text.startswith(own.rstrip("\n"))
    assert '[tool.reprobuild]\nmain = "main_dev.py"' in text
    assert json.loads(done.out)["files"] == [f"connectors/{CHAT}/pyproject.toml", "pyproject.toml"]
