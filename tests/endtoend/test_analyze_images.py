"""The notebook's findings about images that are really built, and none of its bugs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from reprobuild.analysis.facts import Cause, Fleet, ImageFacts, Setting
from reprobuild.analysis.report_json import read_fleet
from tests.cli.project import environment
from tests.endtoend.fleet_images import EXTRAS, NOTE, Connector, Workshop, listed_by_dpkg, listed_by_pip, make_fleet
from tests.servers import RunningRegistry

BEFORE = (
    Connector(name="source-amplitude"),
    Connector(
        name="source-slack",
        greeting="1.0",
        variables={"CODE_PATH": "source_slack", "WORKDIR": "/airbyte/integration_code"},
    ),
)
ZENDESK = {
    "CODE_PATH": "source_zendesk_chat",
    "AIRBYTE_IMPL_MODULE": "source_zendesk_chat",
    "AIRBYTE_IMPL_PATH": "SourceZendeskChat",
}
AFTER = (
    Connector(name="source-file", packages=("tesseract-ocr",)),
    Connector(name="source-notion", greeting="2.0"),
    Connector(name="source-zendesk-chat", main="main_dev.py", variables=ZENDESK),
)
GONE = Connector(name="source-gone")
COMMUNITY = Connector(name="source-community", level="community")


@pytest.fixture(scope="module")
def shop(root: None, registry: RunningRegistry, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("fleet")
    made = make_fleet(folder, registry.host, f"oci:{base}:python-3.11", BEFORE, AFTER)
    made.install("localhost/source-notion", (), {"NOTE": NOTE})
    made.push("localhost/source-notion", f"{made.host}/airbyte/source-notion:1.0.0")
    for one in (GONE, COMMUNITY):
        made.write(one, f"{made.host}/airbyte/{one.name}")
    return made


@pytest.fixture(scope="module")
def report(shop: Workshop) -> Path:
    """What `analyze images` says of the fleet, as JSON."""
    path = shop.folder / "report.json"
    done = analyze(shop, "images", "--connectors", "connectors", "--support-level", "certified", "--json")
    assert done.returncode == 0, done.stderr
    path.write_text(done.stdout)
    return path


@pytest.fixture(scope="module")
def fleet(report: Path) -> Fleet:
    return read_fleet(report.read_bytes())


def analyze(shop: Workshop, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "reprobuild", "--quiet", "analyze", *words]
    environ = environment(shop.folder)
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=shop.folder, env=environ)


def image(fleet: Fleet, name: str) -> ImageFacts:
    (found,) = [one for one in fleet.images if one.connector == name]
    return found


def setting(fleet: Fleet, name: str) -> Setting:
    (found,) = [one for one in fleet.settings if one.name == name]
    return found


def test_support_levels_are_matched_exactly(fleet: Fleet) -> None:
    assert [one.connector for one in fleet.images] == sorted(one.name for one in (*BEFORE, *AFTER))
    assert [one.name for one in fleet.missing] == [f"{image(fleet, 'source-file').reference.replace('file', 'gone')}"]
    assert fleet.missing[0].why


def test_layers_are_fetched_once(fleet: Fleet, registry: RunningRegistry) -> None:
    for one in fleet.images:
        for layer in one.layers:
            assert len(registry.asked("GET", f"/blobs/{layer.digest}")) == 1, one.connector


def test_drift_of_python_and_pip(fleet: Fleet) -> None:
    assert {one.connector: (one.python.claimed, one.pip.claimed) for one in fleet.images} == {
        **dict.fromkeys((one.name for one in BEFORE), ("3.9.11", "22.0.4")),
        **dict.fromkeys((one.name for one in AFTER), ("3.9.18", "23.0.1")),
    }
    assert {one.python.found for one in fleet.images} == {"3.11.2"}
    assert all(one.pip.found == one.pip.claimed for one in fleet.images)
    assert {(one.setuptools.claimed, one.setuptools.found) for one in fleet.images} == {("58.1.0", "")}


def test_the_tag_has_moved_below_those_that_were_built_before(fleet: Fleet, shop: Workshop) -> None:
    assert {one.connector: one.base_moved for one in fleet.images} == {
        **dict.fromkeys((one.name for one in BEFORE), True),
        **dict.fromkeys((one.name for one in AFTER), False),
    }
    assert {one.base for one in fleet.images} == {shop.python}
    layers = {one.connector: [layer.is_base for layer in one.layers] for one in fleet.images}
    assert all(any(is_base) and not all(is_base) for is_base in layers.values())


def test_packages_that_vanish_on_a_rebuild(fleet: Fleet) -> None:
    for one in BEFORE:
        added = image(fleet, one.name).added
        assert added is not None
        assert sorted(package.package.name for package in added) == sorted(EXTRAS)
        assert {package.before for package in added} == {""}


def test_packages_outside_the_base(fleet: Fleet) -> None:
    added = {one.name: image(fleet, one.name).added for one in AFTER}
    assert {name: [one.package.name for one in found or ()] for name, found in added.items()} == {
        "source-file": ["tesseract-ocr"],
        "source-notion": [],
        "source-zendesk-chat": [],
    }
    (tesseract,) = added["source-file"] or ()
    assert (tesseract.package.version, tesseract.package.architecture) == ("1:2.36-9+deb12u3", "amd64")


def test_environment(fleet: Fleet) -> None:
    spreads = {one.name: one.spread for one in fleet.settings}
    assert spreads == {
        **dict.fromkeys(("LANG", "PATH", "HOME", "GPG_KEY", "PYTHON_SETUPTOOLS_VERSION"), "static"),
        "PYTHON_GET_PIP_URL": "static",
        **dict.fromkeys(("AIRBYTE_ENTRYPOINT", "PYTHON_VERSION", "PYTHON_PIP_VERSION"), "varying"),
        "PYTHON_GET_PIP_SHA256": "varying",
        **dict.fromkeys((*ZENDESK, "WORKDIR", "NOTE"), "specific"),
    }
    assert list(setting(fleet, "CODE_PATH").from_base) == ["source-slack", "source-zendesk-chat"]
    assert setting(fleet, "AIRBYTE_IMPL_PATH").values == {"SourceZendeskChat": ("source-zendesk-chat",)}
    assert setting(fleet, "NOTE").values == {NOTE: ("source-notion",)}
    assert list(setting(fleet, "PYTHON_GET_PIP_URL").values) == ["https://example.org/get-pip.py?ref=a=b"]


def test_whether_the_base_sets_it_is_asked_of_the_base(fleet: Fleet) -> None:
    assert set(setting(fleet, "LANG").from_base.values()) == {True}
    assert set(setting(fleet, "AIRBYTE_ENTRYPOINT").from_base.values()) == {False}
    old, new = ({one.name for one in several} for several in (BEFORE, AFTER))
    from_base = setting(fleet, "PYTHON_VERSION").from_base
    assert {name for name, is_of_base in from_base.items() if is_of_base} == new
    assert {name for name, is_of_base in from_base.items() if is_of_base is False} == old


def test_what_is_configured(fleet: Fleet) -> None:
    chat = image(fleet, "source-zendesk-chat")
    assert chat.entrypoint == ("python", "/airbyte/integration_code/main_dev.py")
    assert chat.labels["io.airbyte.name"] == "airbyte/source-zendesk-chat"
    assert (chat.labels["io.airbyte.version"], chat.workdir) == ("1.0.0", "/airbyte/integration_code")
    assert (chat.user, chat.timezone, chat.libc) == ("", "UTC", "glibc 2.36")
    assert chat.system.startswith("Debian GNU/Linux 12")
    assert chat.platform == "linux/amd64"


@pytest.mark.parametrize("name", ["source-file", "source-slack", "source-notion"])
def test_lists_are_what_the_tools_print(name: str, fleet: Fleet, shop: Workshop) -> None:
    found = image(fleet, name)
    packages = {(one.name, one.version, one.architecture) for one in found.os_packages}
    with shop.mounted(f"localhost/{name}") as root:
        assert packages == listed_by_dpkg(root)
        listed = {(canonicalize_name(distribution), version) for distribution, version in listed_by_pip(root)}
    assert {(one.name, one.version) for one in found.distributions} == listed
    greeting = {version for distribution, version in listed if distribution == "greeting"}
    assert greeting == {"source-notion": {"2.0"}, "source-slack": {"1.0"}}.get(name, set())


def test_sizes(fleet: Fleet) -> None:
    found = image(fleet, "source-file")
    causes = {cause: sum(layer.causes.get(cause, 0) for layer in found.layers) for cause in Cause.ALL}
    assert causes[Cause.BASE] > 50_000_000
    assert causes[Cause.OS] > len("/* nothing */\n") * 100
    assert causes[Cause.CODE] >= len("print('hello')\n")
    assert causes[Cause.DEPENDENCIES] == 0
    notion = image(fleet, "source-notion")
    assert 0 < sum(layer.causes.get(Cause.DEPENDENCIES, 0) for layer in notion.layers) < 10_000
    assert all(layer.compressed > 0 and layer.created_by for layer in found.layers)


def test_drift_between_two_releases_of_a_base(shop: Workshop, report: Path) -> None:
    found = drift(shop, "report.json", "report.json")
    assert [one["changes"] for one in found["drifts"]] == [[]] * 5
    rebuilt = f"{shop.host}/airbyte/source-amplitude:rebuilt"
    shop.make_connector("localhost/rebuilt", BEFORE[0], "localhost/python-now")
    shop.push("localhost/rebuilt", rebuilt)
    (one,) = drift(shop, f"{shop.host}/airbyte/source-amplitude:1.0.0", rebuilt, "--base", shop.python)["drifts"]
    assert one["causes"][0] == "moved tag"
    changes = {(change["what"], change["name"]): change for change in one["changes"]}
    assert (changes["pip", ""]["before"], changes["pip", ""]["after"]) == ("22.0.4", "23.0.1")
    assert changes["os-package", "libc6-dev"] == {
        "what": "os-package",
        "name": "libc6-dev",
        "before": "1:2.36-9+deb12u3",
        "after": "",
        "cause": "moved tag",
    }
    assert changes["variable", "PYTHON_VERSION"]["cause"] == "moved tag"
    assert not any(what in {"entrypoint", "label"} for what, _ in changes)


def test_drift_from_a_dockerfile(shop: Workshop, report: Path) -> None:
    dockerfile = str(Path("connectors/source-slack/Dockerfile"))
    (one,) = drift(shop, f"{shop.host}/airbyte/source-slack:1.0.0", "--dockerfile", dockerfile)["drifts"]
    moved = {change["name"] for change in one["changes"] if change["cause"] == "moved tag"}
    assert moved >= {shop.python, *EXTRAS, "PYTHON_VERSION"}
    edited = shop.folder / "edited"
    text = (shop.folder / dockerfile).read_text().replace('CODE_PATH="source_slack"', 'CODE_PATH="elsewhere"')
    edited.write_text(text)
    (other,) = drift(shop, f"{shop.host}/airbyte/source-slack:1.0.0", "--dockerfile", "edited")["drifts"]
    assert {
        "what": "variable",
        "name": "CODE_PATH",
        "before": "elsewhere",
        "after": "source_slack",
        "cause": "edited",
    } in other["changes"]


def drift(shop: Workshop, *words: str) -> dict[str, Any]:
    done = analyze(shop, "drift", *words, "--json")
    assert done.returncode in {0, 1}, done.stderr
    assert not done.stderr
    found = json.loads(done.stdout)
    assert done.returncode == int(any(one["changes"] for one in found["drifts"]))
    return dict(found)


def test_tables(shop: Workshop, report: Path) -> None:
    done = analyze(shop, "images", "--connectors", "connectors", "--support-level", "certified")
    for words in ("source-gone", "tesseract-ocr", "PYTHON_PIP_VERSION", "3.11.2 \u2260 3.9.18"):
        assert words in done.stdout, done.stdout


@pytest.fixture(scope="module", autouse=True)
def unmounted(shop: Workshop) -> Iterator[None]:
    """Leave nothing mounted."""
    yield
    shop.buildah("rm", "--all")
    subprocess.run(["umount", "--lazy", shop.folder / "root" / "overlay"], capture_output=True, check=False)
