"""Reports as one: parts add up to the whole, and the later one counts."""

from dataclasses import replace

from reprobuild.analysis.facts import Fleet, Missing, Variant
from reprobuild.analysis.merge import merged
from tests.analysis.fleets import fleet_of

FLEET = fleet_of()
FILES = replace(FLEET, images=(), settings=(), scores=())
IMAGES = replace(FLEET, dockerfiles=(), variants=(), scores=(), missing=())


def test_dockerfiles_and_images_make_the_whole() -> None:
    assert merged([FILES, IMAGES]) == FLEET
    assert merged([IMAGES, FILES]) == FLEET
    assert merged([FLEET]) == FLEET
    assert merged([]) == Fleet()


def test_the_same_report_twice_is_that_report() -> None:
    twice = merged([FLEET, FLEET])
    assert twice.images == FLEET.images
    assert twice.settings == FLEET.settings
    assert twice.scores == FLEET.scores
    assert twice.missing == FLEET.missing
    assert [(one.digest, one.connectors) for one in twice.variants] == [
        (one.digest, tuple(sorted(one.connectors))) for one in FLEET.variants
    ]


def test_images_that_were_read_apart_have_one_environment() -> None:
    halves = [replace(IMAGES, images=part, settings=FLEET.settings) for part in (FLEET.images[:20], FLEET.images[20:])]
    assert merged(halves).settings == FLEET.settings


def test_of_two_reports_of_an_image_the_later_one_counts() -> None:
    newer = replace(FLEET.images[0], created="2024-01-01T00:00:00Z")
    found = merged([IMAGES, Fleet(images=(newer,))])
    assert len(found.images) == len(IMAGES.images)
    assert newer in found.images


def test_variants_of_parts_are_told_apart_anew() -> None:
    few = tuple(one for one in FILES.dockerfiles if one.variant == FILES.variants[1].digest)[:1]
    alone = Variant(digest=few[0].variant, example="x", connectors=(few[0].connector,), text="FROM a\nRUN b\n")
    others = tuple(one for one in FILES.dockerfiles if one.variant == FILES.variants[2].digest)
    common = replace(FILES.variants[2], text="FROM a\n", compared_with="gone", differences=("of old",))
    apart = merged([Fleet(dockerfiles=few, variants=(alone,)), Fleet(dockerfiles=others, variants=(common,))])
    assert [(one.digest, one.compared_with, one.differences) for one in apart.variants] == [
        (common.digest, "", ()),
        (alone.digest, common.digest, ("runs b",)),
    ]
    damaged = replace(alone, text="\0 no Dockerfile")
    found = merged([Fleet(dockerfiles=few, variants=(damaged,)), Fleet(dockerfiles=others, variants=(common,))])
    assert [one.differences for one in found.variants] == [(), ()]


def test_what_is_missing_is_told_once() -> None:
    lack = Missing(name="a", why="b")
    assert merged([Fleet(missing=(lack,)), Fleet(missing=(lack,))]).missing == (lack,)
