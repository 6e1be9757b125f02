"""Wheels that stand in for sdists while uv resolves, so that nothing has to be built to learn what is needed.

uv decides with wheels alone. Where that has no solution because a distribution has none, an empty wheel of it is laid
beside the index and uv is asked again. What it then chooses is built in the sandbox, the real wheel takes the place
of the empty one, and uv has the last word with its metadata: an sdist that nobody chooses is never built.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reprobuild.builder.canonical_wheel import wheel_of
from reprobuild.errors import ReprobuildError
from reprobuild.gathering import gathered
from reprobuild.lockfile import Wheel
from reprobuild.resolver.complaint import Wheelless
from reprobuild.resolver.offers import Offer, Resolved
from reprobuild.resolver.uv import Question, Unresolved, ask
from reprobuild.store import Store
from reprobuild.target import Target

__all__ = ["Source", "StandIns"]

_PARALLEL = 4
_MOST = 64
"""How many sdists one resolution may look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An sdist that an index offers of a distribution; ``name`` is normalised."""

    name: str
    version: str
    offer: Offer


class StandIns:
    """What one resolution has beside the index: empty wheels for sdists, and real ones that were built of them."""

    def __init__(self, root: Path, store: Store) -> None:
        self._root, self._store = root, store
        self._links: dict[str, Path] = {}
        self._sources: dict[str, Source] = {}
        self._built: dict[str, Wheel] = {}
        self._done: set[Source] = set()
        self._asked: set[tuple[Wheelless, Target]] = set()

    @property
    def links(self) -> dict[str, Path]:
        """The wheels by file name, each with the place of its bytes."""
        return dict(self._links)

    def source(self, file: str) -> Source | None:
        """Return the sdist that the wheel *file* stands in for; None for any other wheel."""
        return self._sources.get(file)

    def built(self, file: str) -> Wheel | None:
        """Return the wheel *file* if it was built here."""
        return self._built.get(file)

    def add(self, wheels: Iterable[Wheel], source: Source | None = None) -> None:
        """Offer the built *wheels*, which the store has; nothing stands in for *source* any more."""
        for file in [file for file, known in self._sources.items() if known == source]:
            self._done.add(self._sources.pop(file))
            del self._links[file]
        for wheel in wheels:
            self._built[wheel.file] = wheel
            self._links[wheel.file] = self._store.path(wheel.digest)

    async def stand_in(self, blamed: Sequence[Wheelless], targets: Sequence[Target]) -> bool:
        """Let empty wheels stand in for the sdists of what is *blamed* on *targets*; say whether there are new ones."""
        new = [(one, target) for one in blamed for target in targets if (one, target) not in self._asked]
        self._asked.update(new)
        answers = await gathered([partial(self._found, one, target) for one, target in new], limit=_PARALLEL)
        known = len(self._sources)
        for source in [source for source in answers if source is not None]:
            if len(self._sources) < _MOST and source not in self._done:
                self._add_empty(source)
        return len(self._sources) > known

    async def _found(self, blamed: Wheelless, target: Target) -> Source | None:
        """Return the newest sdist of *blamed*; nothing of it is read, let alone executed."""
        requirement = blamed.name + blamed.versions
        question = Question(requirements=(requirement,), target=target, dependencies=False, sources=True)
        try:
            resolved = await ask(question, self._root, where=requirement)
        except (Unresolved, ReprobuildError):
            return None  # uv's complaint about the wheel is the error to show.
        return next((source for one in resolved if (source := _source(one)) is not None), None)

    def _add_empty(self, source: Source) -> None:
        file = f"{_stem(source)}py3-none-any.whl"
        self._sources[file] = source
        self._links[file] = self._store.path(self._store.add(_empty(source, file)))


def _source(resolved: Resolved) -> Source | None:
    if resolved.source is None:
        return None
    return Source(name=resolved.name, version=resolved.version, offer=resolved.source)


def _stem(source: Source) -> str:
    return f"{source.name.replace('-', '_')}-{source.version}-"


def _empty(source: Source, file: str) -> bytes:
    info = f"{_stem(source).rstrip('-')}.dist-info"
    return wheel_of(
        {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {source.name}\nVersion: {source.version}\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: reprobuild\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        },
        file,
    )
