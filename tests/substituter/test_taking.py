"""Whatever a substituter does: it is taken from, or left alone, and the images are the same."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest

from reprobuild.builder.build import Plan
from reprobuild.canonical import digest_of
from reprobuild.oci.registries import Registries
from reprobuild.oci.types import MANIFEST
from reprobuild.substituter import taking
from reprobuild.substituter.entry import MANIFEST_BLOB
from reprobuild.substituter.place import Limits, Place
from reprobuild.substituter.taking import substitute
from reprobuild.workspace.substituters import substituter_named
from tests.faults import FaultyProxy
from tests.servers import Exchange, serve
from tests.substituter.conftest import LIMITS, Notes, Runner


@dataclass(kw_only=True)
class _Hostile(FaultyProxy):
    """What each request whose path matches *where* meets is *fault*; all others are passed on."""

    where: str = ""
    fault: str | Callable[[Exchange], None] | None = None
    asked: list[str] = field(default_factory=list)

    def answer(self, exchange: Exchange) -> None:
        self.asked.append(exchange.path)
        if callable(self.fault) and re.search(self.where, exchange.path):
            self.fault(exchange)
        else:
            super().answer(exchange)

    def _fault(self, exchange: Exchange) -> str | None:
        return str(self.fault) if self.fault and re.search(self.where, exchange.path) else None


@contextmanager
def _before(host: str, where: str = "", fault: str | Callable[[Exchange], None] | None = None) -> Iterator[_Hostile]:
    proxy = _Hostile(upstream=host, where=where, fault=fault)
    with serve(proxy.answer) as server:
        proxy.server = server
        yield proxy


def _taken(runner: Runner, host: str, *, limits: Limits = LIMITS) -> tuple[int, list[str]]:
    """Let *runner* take what it can from *host*; return how many images that were, and the notes."""
    notes = Notes()
    taken = anyio.run(_substituted, runner, [f"{host}/{runner.repository}"], notes, limits)
    assert all((image.manifest is not None) == image.substituted for image in taken)
    return sum(image.substituted for image in taken), notes.notes


async def _substituted(runner: Runner, names: list[str], notes: Notes, limits: Limits) -> Plan:
    places = [
        Place(substituter_named(name, where="x"), environ={}, registries=Registries(), progress=notes, limits=limits)
        for name in names
    ]
    images = await runner.images()
    taken = await substitute(images, places, runner.store, notes)
    for place in places:
        await place.close()
    assert [image.key for image in taken] == [image.key for image in images]
    return taken


def _rebuilds(runner: Runner) -> None:
    """What was not taken is built, and all is as it should be."""
    wanted = [one["manifest"]["digest"] for one in _images(runner.project.run("build", "--all", "--json").out)]
    assert runner.digests() == wanted
    assert runner.run("store", "verify").code == 0


def _images(out: str) -> list[dict[str, dict[str, str]]]:
    return [image for one in json.loads(out)["connectors"] for image in one["images"]]


def test_all_of_it_is_taken(runner: Runner) -> None:
    count, notes = _taken(runner, runner.host)
    assert (count, notes) == (4, [])
    runner.project.index.requests.clear()
    _rebuilds(runner)
    assert runner.project.index.requests == []


def test_shared_layers_are_fetched_once(runner: Runner) -> None:
    with _before(runner.host) as proxy:
        assert (_taken(runner, proxy.host))[0] == 4
        asked = [path for path in proxy.asked if "/blobs/" in path]
    assert len(asked) == len({*asked})


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        ("/manifests/", "other bytes answered"),
        ("/manifests/", "short answer"),
        ("/manifests/", lambda exchange: exchange.send(404, b"{}")),
        ("/manifests/", lambda exchange: exchange.send(200, b"{}", Content_Type=MANIFEST)),
        ("/manifests/", lambda exchange: exchange.send(200, b"x" * 5_000_000, Content_Type=MANIFEST)),
        ("/manifests/", lambda exchange: exchange.send(401, b"{}")),
        ("/manifests/", lambda exchange: exchange.send(307, Location="http://example.invalid/")),
        ("/blobs/", "other bytes answered"),
        ("/blobs/", "short answer"),
        ("/blobs/", lambda exchange: exchange.send(404, b"{}")),
        ("/blobs/", lambda exchange: exchange.send(200, b"x" * 5_000_000)),
        ("/blobs/sha256:[0-7]", lambda exchange: exchange.send(404, b"{}")),
        ("", "500"),
        ("", "503"),
        ("", "429"),
        ("", "drop"),
        ("", lambda exchange: exchange.send(403, b"{}")),
    ],
)
def test_whatever_it_answers_the_images_are_the_same(
    runner: Runner, where: str, fault: str | Callable[[Exchange], None]
) -> None:
    with _before(runner.host, where, fault) as proxy:
        count, _ = _taken(runner, proxy.host)
    assert count < 4
    _rebuilds(runner)


def test_one_that_says_nothing_is_left_alone(runner: Runner) -> None:
    with _before(runner.host, "", Exchange.stall) as proxy:
        count, notes = _taken(runner, proxy.host)
        assert len(proxy.asked) <= 8
    assert count == 0
    assert sum("is not asked any more" in note for note in notes) == 1
    _rebuilds(runner)


def test_one_that_drips_is_left_alone(runner: Runner) -> None:
    def drip(exchange: Exchange) -> None:
        def forever() -> Iterator[bytes]:
            while not exchange.handler.connection.recv(0):
                yield b"x"

        exchange.send_until_closed(forever())

    with _before(runner.host, "/blobs/", drip) as proxy:
        count, _ = _taken(runner, proxy.host, limits=replace(LIMITS, slowest=1e9))
    assert count == 0
    _rebuilds(runner)


def test_nobody_there(runner: Runner) -> None:
    count, notes = _taken(runner, "127.0.0.1:1")
    assert count == 0
    assert "is not asked any more" in notes[-1]
    _rebuilds(runner)


def test_an_empty_one_is_no_reason_for_a_word(empty: Runner) -> None:
    assert _taken(empty, empty.host) == (0, [])
    _rebuilds(empty)


def test_another_image_under_our_key(runner: Runner) -> None:
    one, two = anyio.run(runner.images)[:2]

    def swap(value: dict[str, Any]) -> None:
        assert one.recorded is not None and two.recorded is not None
        size = runner.project.store.path(one.recorded.manifest).stat().st_size
        found = [layer for layer in value["layers"] if layer["mediaType"] != MANIFEST_BLOB]
        value["layers"] = [{"mediaType": MANIFEST_BLOB, "digest": one.recorded.manifest, "size": size}, *found]

    runner.replace_entry(two.key, swap)
    count, notes = _taken(runner, runner.host)
    assert count == 3
    assert any("the lock records" in note for note in notes)
    _rebuilds(runner)


def test_the_entry_of_another_derivation(runner: Runner) -> None:
    one = anyio.run(runner.images)[0]
    runner.replace_entry(
        one.key, lambda value: value.update(annotations={"dev.reprobuild.derivation": digest_of(b"x")})
    )
    count, notes = _taken(runner, runner.host)
    assert count == 3
    assert any("another derivation" in note for note in notes)
    _rebuilds(runner)


def test_what_is_no_entry(runner: Runner) -> None:
    one = anyio.run(runner.images)[0]
    assert one.recorded is not None
    runner.replace_entry(one.key, lambda value: value.pop("artifactType"))
    count, notes = _taken(runner, runner.host)
    assert count == 3
    assert any("no output" in note for note in notes)
    _rebuilds(runner)


def test_the_second_has_what_the_first_has_not(runner: Runner) -> None:
    names = [f"{runner.host}/nobody/knows", runner.place]
    taken = anyio.run(_substituted, runner, names, Notes(), LIMITS)
    assert all(image.substituted for image in taken)
    _rebuilds(runner)


# Layers as the parts that they are joined of


@pytest.fixture
def _by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were worth while already with two wheels."""
    monkeypatch.setattr(taking, "_QUESTION", -1_000_000)


def _parts_of(value: dict[str, Any]) -> list[dict[str, Any]]:
    return [layer for layer in value["layers"] if "dev.reprobuild.layer" in layer.get("annotations", {})]


@pytest.fixture
def joined(runner: Runner) -> str:
    """The digest of the layer that two wheels share."""
    found: list[str] = []
    image = anyio.run(runner.images)[0]
    runner.replace_entry(
        image.key, lambda value: found.extend(one["annotations"]["dev.reprobuild.layer"] for one in _parts_of(value))
    )
    assert len(found) == 2
    assert len({*found}) == 1
    return found[0]


@pytest.mark.usefixtures("_by_parts")
def test_a_layer_is_joined_of_its_parts(runner: Runner, joined: str) -> None:
    with _before(runner.host) as proxy:
        assert _taken(runner, proxy.host) == (4, [])
        assert not [path for path in proxy.asked if joined in path]
    _rebuilds(runner)


def test_few_layers_are_taken_as_they_are(runner: Runner, joined: str) -> None:
    with _before(runner.host) as proxy:
        assert _taken(runner, proxy.host) == (4, [])
        assert len([path for path in proxy.asked if joined in path]) == 1


@pytest.mark.usefixtures("_by_parts")
@pytest.mark.parametrize("fault", ["other bytes answered", "short answer", "500"])
def test_parts_that_do_not_come(runner: Runner, joined: str, fault: str) -> None:
    with _before(runner.host, "/blobs/", fault) as proxy:
        assert _taken(runner, proxy.host)[0] == 0
    _rebuilds(runner)


@pytest.mark.usefixtures("_by_parts")
def test_parts_that_add_up_to_another_layer(runner: Runner, joined: str) -> None:
    def swap(value: dict[str, Any]) -> None:
        value["layers"] = [one for one in value["layers"] if one not in parts] + parts[::-1]

    for image in anyio.run(runner.images)[:2]:
        parts: list[dict[str, Any]] = []
        runner.replace_entry(image.key, lambda value: parts.extend(_parts_of(value)))  # noqa: B023 - called at once
        runner.replace_entry(image.key, swap)
    count, notes = _taken(runner, runner.host)
    assert count == 2
    assert any(joined in note for note in notes)
    _rebuilds(runner)


@pytest.mark.usefixtures("_by_parts")
def test_parts_that_do_not_add_up(runner: Runner, joined: str) -> None:
    image = anyio.run(runner.images)[0]
    runner.replace_entry(image.key, lambda value: value["layers"].append(_parts_of(value)[0]))
    count, notes = _taken(runner, runner.host)
    assert count == 3
    assert any("do not add up" in note for note in notes)
    _rebuilds(runner)


@pytest.mark.usefixtures("_by_parts")
def test_a_part_that_is_damaged_in_the_store_leaves_it(runner: Runner, joined: str) -> None:
    parts: list[dict[str, Any]] = []
    for image in anyio.run(runner.images)[:1]:
        runner.replace_entry(image.key, lambda value: parts.extend(_parts_of(value)))
    path = runner.store.path(parts[0]["digest"])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * parts[0]["size"])
    count, _ = _taken(runner, runner.host)
    assert count == 2
    assert not path.exists()
    _rebuilds(runner)
