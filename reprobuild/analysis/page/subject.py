"""What rows of the page are about: a connector on a platform. The page's filter chooses among them, by number."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from reprobuild.analysis.facts import Fleet, ImageFacts

__all__ = ["Subject", "Subjects"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A connector on one platform; *platform* is empty if no image of it was read, *points* None without a score."""

    connector: str
    platform: str
    variant: str
    points: int | None


class Subjects:
    """All subjects of a fleet, sorted by connector and platform, and which of them a row is about."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        platforms: dict[str, set[str]] = {name: set() for name in _named(fleet)}
        for image in fleet.images:
            platforms[image.connector].add(image.platform)
        variants = {name: variant.digest for variant in fleet.variants for name in variant.connectors}
        points = {score.connector: score.points for score in fleet.scores}
        self.all = tuple(
            Subject(connector=name, platform=platform, variant=variants.get(name, ""), points=points.get(name))
            for name in sorted(platforms)
            for platform in sorted(platforms[name]) or [""]
        )

    @cached_property
    def connectors(self) -> tuple[str, ...]:
        """The names of all connectors."""
        return tuple(dict.fromkeys(one.connector for one in self.all))

    @cached_property
    def platforms(self) -> tuple[str, ...]:
        """All platforms that images were read for."""
        return tuple(sorted({one.platform for one in self.all} - {""}))

    def of_connectors(self, names: Iterable[str]) -> str:
        """Return the numbers of all subjects of the connectors *names*, as the page has them: ``0-3 7``."""
        return _ranges(number for name in names for number in self._by_connector.get(name, ()))

    def of_images(self, images: Iterable[ImageFacts]) -> str:
        """Return the numbers of the subjects that *images* are of."""
        return _ranges(self._by_image[image.connector, image.platform] for image in images)

    @cached_property
    def _by_connector(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, one in enumerate(self.all):
            found.setdefault(one.connector, []).append(number)
        return found

    @cached_property
    def _by_image(self) -> dict[tuple[str, str], int]:
        return {(one.connector, one.platform): number for number, one in enumerate(self.all)}


def _named(fleet: Fleet) -> Iterator[str]:
    """Yield every connector that *fleet* names, more than once."""
    yield from (one.connector for one in fleet.dockerfiles)
    yield from (one.connector for one in fleet.images)
    yield from (one.connector for one in fleet.scores)
    yield from (name for one in fleet.variants for name in one.connectors)
    yield from (name for one in fleet.settings for members in one.values.values() for name in members)


def _ranges(numbers: Iterable[int]) -> str:
    parts: list[list[int]] = []
    for number in sorted({*numbers}):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
