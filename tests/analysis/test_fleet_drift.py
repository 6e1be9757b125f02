"""What changed between two states of a fleet, and the likely cause: of images, and of Dockerfiles."""

from dataclasses import replace

import pytest

from reprobuild.analysis.drift import Change, Why, image_drift
from reprobuild.analysis.facts import Claim, Fleet, ImageFacts, LayerSize, PackageFacts
from reprobuild.analysis.fleet_drift import fleet_drift
from reprobuild.analysis.variants import told_apart
from tests.analysis.fleets import fleet_of

FLEET = fleet_of()
ONE = replace(FLEET.images[0], base_moved=False, added=())
NEXT = f"sha256:{'9' * 64}"
VERSION = "io.airbyte.version"


def changed(a: ImageFacts = ONE, **more: object) -> dict[tuple[str, str], Change]:
    b = replace(a, digest=NEXT, **more)  # type: ignore[arg-type]
    return {(one.what, one.name): one for one in image_drift(a, b).changes}


def other_layers(image: ImageFacts) -> tuple[LayerSize, ...]:
    return tuple(replace(one, digest=f"sha256:{number:064x}") for number, one in enumerate(image.layers))


def test_an_image_has_not_drifted_from_itself() -> None:
    assert image_drift(ONE, replace(ONE, reference="elsewhere:1")).changes == ()


def test_a_tag_that_moved_explains_what_the_base_brings() -> None:
    found = changed(layers=other_layers(ONE), python=Claim(found="3.9.19"), pip=Claim(found="99"), libc="glibc 2.41")
    assert {found[what, ""].cause for what in ("python", "pip", "libc")} == {Why.MOVED_TAG}
    base = found["base", ONE.base]
    assert (base.cause, base.before) == (Why.MOVED_TAG, "2 layers up to sha256:222222222222")


def test_another_base_is_told_from_one_that_moved() -> None:
    found = changed(layers=other_layers(ONE), base="python:3.12-slim", python=Claim(found="3.12.1"))
    assert {one.cause for one in found.values()} == {Why.OTHER_BASE}
    assert found["base", ""].after == "python:3.12-slim"


@pytest.mark.parametrize(("version", "cause"), [("1.0.0", Why.REBUILT), ("2.0.0", Why.UPGRADED)])
def test_distributions_come_with_a_release_or_with_building_again(version: str, cause: str) -> None:
    first = replace(ONE, labels={VERSION: "1.0.0"})
    newer = (PackageFacts(kind="pypi", name="airbyte-cdk", version="99"),)
    found = changed(first, labels={VERSION: version}, distributions=newer)
    assert found["distribution", "airbyte-cdk"].cause == cause


def test_what_is_configured_was_edited() -> None:
    environment = tuple(pair for pair in ONE.environment if pair[0] != "LANG")
    found = changed(entrypoint=("x",), environment=(*environment, ("NEW", "a=b\nc")), user="1000", labels={})
    assert found["variable", "NEW"] == Change(what="variable", name="NEW", before="", after="a=b\nc", cause=Why.EDITED)
    assert found["variable", "LANG"].after == ""
    assert {found[key].cause for key in (("entrypoint", ""), ("user", ""))} == {Why.EDITED}


def test_images_are_held_against_those_of_their_connector_and_platform() -> None:
    newer = tuple(replace(one, digest=NEXT, user="1") for one in FLEET.images[1:])
    found = fleet_drift(FLEET, replace(FLEET, images=newer, dockerfiles=()))
    assert len(found.drifts) == len(newer)
    assert all(one.changes for one in found.drifts)
    assert [name.partition(" ")[0] for name in found.only_a] == [FLEET.images[0].connector]
    assert found.only_b == ()


def test_no_image_is_passed_over_where_a_connector_has_several() -> None:
    two = [replace(ONE, reference=f"airbyte/x:{number}", digest=f"sha256:{number:064x}") for number in (1, 2)]
    edited = replace(two[1], user="1", digest=NEXT)
    found = fleet_drift(Fleet(images=tuple(two)), Fleet(images=(two[0], edited)))
    assert [(one.b.partition(" ")[0], len(one.changes)) for one in found.drifts] == [
        ("airbyte/x:1", 0),
        ("airbyte/x:2", 1),
    ]


def test_dockerfiles_say_what_was_edited() -> None:
    file = replace(FLEET.dockerfiles[0], variant="aaaaaaa")
    variant = replace(FLEET.variants[0], digest="aaaaaaa", text="FROM a\nRUN b\n")
    newer = replace(variant, digest="bbbbbbb", text="FROM c\nRUN b\n")
    before = Fleet(dockerfiles=(file,), variants=told_apart([variant]))
    after = Fleet(dockerfiles=(replace(file, variant="bbbbbbb"),), variants=told_apart([newer]))
    (one,) = fleet_drift(before, after).drifts
    assert (one.platform, one.changes) == (
        "",
        (Change(what="dockerfile", name="base c instead of a", before="aaaaaaa", after="bbbbbbb", cause=Why.EDITED),),
    )
    assert fleet_drift(before, before).drifts[0].changes == ()
    assert fleet_drift(before, Fleet(images=(ONE,))).drifts == ()
