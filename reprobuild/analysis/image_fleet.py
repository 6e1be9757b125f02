"""The images of a fleet, read a few at a time, and told of together."""

from collections.abc import Sequence
from functools import partial

from reprobuild.analysis.environment import settings_of
from reprobuild.analysis.facts import Fleet, ImageFacts
from reprobuild.analysis.image_facts import Subject
from reprobuild.analysis.image_reading import ImageReading
from reprobuild.analysis.score import scores_of
from reprobuild.gathering import gathered
from reprobuild.progress import Progress

__all__ = ["image_fleet"]

_AT_ONCE = 4
"""Images that are read at a time: each is some thousand files in memory."""


async def image_fleet(subjects: Sequence[Subject], reading: ImageReading, progress: Progress) -> Fleet:
    """Return what the images of *subjects* are, as *reading* finds them; what cannot be read is missing.

    Raises what is wrong with this machine.
    """
    task = progress.task("images", len(subjects), unit="images")

    async def one(subject: Subject) -> list[ImageFacts]:
        found = await reading.facts(subject)
        task.advance(1)
        return found

    found = await gathered([partial(one, subject) for subject in subjects], limit=_AT_ONCE)
    task.finish()
    # Once all bases are known, those of which nothing is said may turn out to stand on one of them.
    silent = [place for place, images in enumerate(found) if not all(image.base for image in images)]
    if silent and reading.has_bases:
        again = [partial(reading.facts, subjects[place], guess=True) for place in silent]
        for place, images in zip(silent, await gathered(again, limit=_AT_ONCE), strict=True):
            found[place] = images
    key = lambda one: (one.connector, one.platform, one.reference)  # noqa: E731
    whole = tuple(sorted((image for several in found for image in several), key=key))
    return Fleet(images=whole, settings=settings_of(whole), scores=scores_of((), whole), missing=reading.missing)
