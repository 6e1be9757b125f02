"""The notebook's findings about images that are really built, and none of its bugs."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from reprobuild.analysis.facts import Cause, Fleet, ImageFacts, Setting
from reprobuild.analysis.report_json import read_fleet
from tests.analysis.dockerfiles import ALPINE, CACHED, SLIM
from tests.cli.project import environment
from tests.endtoend.fleet_images import (
    BASES,
    EXTRAS,
    NOTE,
    OPTIONAL,
    PIP_UPGRADE,
    Connector,
    Workshop,
    make_fleet,
)
from tests.servers import RunningRegistry

PIP_INSTALL = "RUN pip install .\n"
SLACK = {
    "ENV AIRBYTE_E": "ENV CODE_PATH={snake}\nENV WORKDIR=/airbyte/integration_code\nENV AIRBYTE_E".format(
        snake="source_slack"
    )
}
ZENDESK = {
    "CODE_PATH": "source_zendesk_chat",
    "AIRBYTE_IMPL_MODULE": "source_zendesk_chat",
    "AIRBYTE_IMPL_PATH": "SourceZendeskChat",
}
CHAT = {
    "COPY main.py": "COPY main_dev.py",
    "integration_code/main.py": "integration_code/main_dev.py",
    "ENV AIRBYTE_E": "".join(f'ENV {name}="{value}"\n' for name, value in ZENDESK.items()) + "ENV AIRBYTE_E",
}
BEFORE = (
    Connector(name="source-instagram", base="before", template=SLIM),
    Connector(name="source-twilio", base="before", template=CACHED, needs=("greeting",)),
    Connector(name="source-slack", base="before", template=CACHED, changes=SLACK, needs=("greeting",)),
)
"""Built before the tag of their base moved."""
AFTER = (
    Connector(
        name="source-file", base="now", template=SLIM, changes={"install -y bash": f"install -y bash {OPTIONAL}"}
    ),
    Connector(
        name="source-faker",
        base="now",
        template=CACHED,
        changes={PIP_INSTALL: f"RUN pip install --upgrade pip\n{PIP_INSTALL}"},
        needs=("greeting",),
    ),
    Connector(name="source-zendesk-chat", base="now", template=CACHED, changes=CHAT),
)
OTHER = (
    Connector(
        name="source-notion",
        base="other",
        template=ALPINE,
        changes={"ENV AIRBYTE_E": "ARG NOTE\nENV NOTE=$NOTE\nENV AIRBYTE_E"},
        needs=("greeting",),
    ),
)
BUILT = (*BEFORE, *AFTER, *OTHER)
GONE = Connector(name="source-gone", base="now")
COMMUNITY = Connector(name="source-community", base="now", level="community")


@pytest.fixture(scope="module")
def shop(
    root: None,
    registry: RunningRegistry,
    base: Path,
    push_layout: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Workshop]:
    push_layout(f"{base}:python-3.11", f"{registry.host}/library/debian:12")
    folder = tmp_path_factory.mktemp("fleet")
    with make_fleet(folder, registry.host, layer_of(base), BUILT) as made:
        for one in (GONE, COMMUNITY):
            made.write(one)
        yield made


def layer_of(layout: Path) -> Path:
    """Return the only layer of the image for the machines that this runs on."""
    index = json.loads((layout / "index.json").read_bytes())
    platforms = json.loads(blob(layout, index["manifests"][0]).read_bytes())["manifests"]
    (one,) = (each for each in platforms if each["platform"]["architecture"] == "amd64")
    (layer,) = json.loads(blob(layout, one).read_bytes())["layers"]
    return blob(layout, layer)


def blob(layout: Path, descriptor: Mapping[str, str]) -> Path:
    return layout / "blobs" / descriptor["digest"].replace(":", "/")


@pytest.fixture(scope="module")
def analysis(shop: Workshop, registry: RunningRegistry) -> tuple[Path, list[str]]:
    """What `analyze images` says of the fleet, as JSON, and the blobs that it asked the registry for."""
    path, before = shop.folder / "report.json", len(registry.asked("GET", "/blobs/"))
    done = analyze(shop, "images", "--connectors", "connectors", "--support-level", "certified", "--json")
    assert done.returncode == 0, done.stderr
    path.write_text(done.stdout)
    return path, [target.rpartition("/")[2] for target in registry.asked("GET", "/blobs/")[before:]]


@pytest.fixture(scope="module")
def report(analysis: tuple[Path, list[str]]) -> Path:
    return analysis[0]


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


def names(connectors: Iterable[Connector]) -> list[str]:
    return [one.name for one in connectors]


def test_support_levels_are_matched_exactly(fleet: Fleet) -> None:
    assert [one.connector for one in fleet.images] == sorted(names(BUILT))
    assert [one.name for one in fleet.missing] == [f"{image(fleet, 'source-file').reference.replace('file', 'gone')}"]
    assert fleet.missing[0].why


def test_layers_are_fetched_once(fleet: Fleet, analysis: tuple[Path, list[str]]) -> None:
    counts = Counter(analysis[1])
    layers = {layer.digest for one in fleet.images for layer in one.layers}
    assert len(layers) > len(BUILT) * 3
    assert {counts[layer] for layer in layers} == {1}


def test_drift_of_python_and_pip(fleet: Fleet) -> None:
    claimed = {one.connector: (one.python.claimed, one.pip.claimed) for one in fleet.images}
    assert claimed == {one.name: (BASES[one.base].claimed, BASES[one.base].pip) for one in (*BEFORE, *AFTER, *OTHER)}
    assert {one.connector: one.python.found for one in fleet.images} == {
        **dict.fromkeys(names((*BEFORE, *OTHER)), "3.11.2"),
        **dict.fromkeys(names(AFTER), "3.11.4"),
    }
    differing = {one.connector: one.pip.found for one in fleet.images if one.pip.found != one.pip.claimed}
    assert differing == {"source-faker": PIP_UPGRADE}
    assert {(one.setuptools.claimed, one.setuptools.found) for one in fleet.images} == {("58.1.0", "")}


def test_the_tag_has_moved_below_those_that_were_built_before(fleet: Fleet, shop: Workshop) -> None:
    assert {one.connector: one.base_moved for one in fleet.images} == {
        **dict.fromkeys(names(BEFORE), True),
        **dict.fromkeys(names((*AFTER, *OTHER)), False),
    }
    assert {one.connector: one.base for one in fleet.images} == {one.name: shop.base(one.base) for one in BUILT}
    layers = {one.connector: [layer.is_base for layer in one.layers] for one in fleet.images}
    assert all(any(is_base) and not all(is_base) for is_base in layers.values())


def test_packages_that_vanish_on_a_rebuild(fleet: Fleet) -> None:
    for one in BEFORE:
        added = image(fleet, one.name).added
        assert added is not None
        assert sorted(package.package.name for package in added) == sorted(EXTRAS)
        assert {package.before for package in added} == {""}


def test_packages_outside_the_base(fleet: Fleet) -> None:
    added = {one.name: image(fleet, one.name).added for one in (*AFTER, *OTHER)}
    assert {name: [one.package.name for one in found or ()] for name, found in added.items()} == {
        **{name: [] for name in added},
        "source-file": [OPTIONAL],
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
    from_base = setting(fleet, "PYTHON_VERSION").from_base
    assert {name for name, is_of_base in from_base.items() if is_of_base} == {*names((*AFTER, *OTHER))}
    assert {name for name, is_of_base in from_base.items() if is_of_base is False} == {*names(BEFORE)}


def test_what_is_configured(fleet: Fleet) -> None:
    chat = image(fleet, "source-zendesk-chat")
    assert chat.entrypoint == ("python", "/airbyte/integration_code/main_dev.py")
    assert chat.labels["io.airbyte.name"] == "airbyte/source-zendesk-chat"
    assert (chat.labels["io.airbyte.version"], chat.workdir) == ("1.0.0", "/airbyte/integration_code")
    assert (chat.user, chat.timezone, chat.libc) == ("", "UTC", "glibc 2.36")
    assert chat.system.startswith("Debian GNU/Linux 12")
    assert chat.platform == "linux/amd64"


@pytest.mark.parametrize("name", names(BUILT))
def test_what_is_found_is_what_the_tools_print(name: str, fleet: Fleet, shop: Workshop) -> None:
    found = image(fleet, name)
    packages = {(one.name, one.version, one.architecture) for one in found.os_packages}
    assert packages == shop.listed_by_dpkg(found.reference)
    listed = {(canonicalize_name(one), version) for one, version in shop.listed_by_pip(found.reference)}
    assert {(one.name, one.version) for one in found.distributions} == listed
    printed = shop.printed(found.reference, "printenv", "--null").split("\0")
    assert {f"{key}={value}" for key, value in found.environment} == {
        text for text in printed if text and not text.startswith("HOSTNAME=")
    }


def test_the_same_requirement_gave_other_versions(fleet: Fleet) -> None:
    versions = {
        one.connector: {each.version for each in one.distributions if each.name == "greeting"} for one in fleet.images
    }
    assert (versions["source-twilio"], versions["source-faker"]) == ({"1.0"}, {"2.0"})


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
    assert [one["changes"] for one in found["drifts"]] == [[]] * len(BUILT)
    first, rebuilt = (f"{shop.host}/airbyte/source-twilio:{tag}" for tag in ("1.0.0", "rebuilt"))
    shop.build(rebuilt, shop.connectors / "source-twilio")
    shop.run("push", rebuilt)
    (one,) = drift(shop, first, rebuilt, "--base", shop.base("now"))["drifts"]
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
    assert moved >= {shop.base("before"), *EXTRAS, "PYTHON_VERSION"}
    # What the builder's stage installs is not missed in the image.
    several = drift(
        shop, f"{shop.host}/airbyte/source-notion:1.0.0", "--dockerfile", "connectors/source-notion/Dockerfile"
    )
    assert [one["changes"] for one in several["drifts"]] == [[]]
    edited = shop.folder / "edited"
    text = (shop.folder / dockerfile).read_text().replace("CODE_PATH=source_slack", "CODE_PATH=elsewhere")
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
    for words in ("source-gone", "tesseract-ocr", "PYTHON_PIP_VERSION", "3.11.2 \u2260 3.9.11"):
        assert words in done.stdout, done.stdout
