"""Wheels that stand in for sdists while uv resolves, so that nothing has to be built to learn what is needed.

uv counts sdists in and cannot build them (`reprobuild.resolver.barren`). Where it would have to, it ends and names the
sdist: an empty wheel of it is laid beside the index, and uv is asked again. What it chooses in the end is built in the
sandbox, the real wheel takes the place of the empty one, and uv has the last word with its metadata. An sdist that
nobody chooses is never built, and the versions are those that pip and uv would install.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from reprobuild.builder.canonical_wheel import wheel_of
from reprobuild.gathering import gathered
from reprobuild.lockfile import Wheel
from reprobuild.resolver.barren import barren_python
from reprobuild.resolver.complaint import unbuilt
from reprobuild.resolver.offers import Offer, Resolved, best_offer
from reprobuild.resolver.uv import Question, Unresolved, ask
from reprobuild.store import Store
from reprobuild.target import Target

__all__ = ["Source", "StandIns"]

Answer = tuple[Resolved, ...] | Unresolved

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

    def question(self, question: Question) -> Question:
        """Return *question* with sdists counted in, and with what is beside the index."""
        return replace(question, sources=True, python=barren_python(self._store), links=dict(self._links))

    async def stand_in(self, asked: Mapping[Target, Answer]) -> bool:
        """Let empty wheels stand in for the sdists that *asked* shows; say whether there are new ones."""
        named: dict[tuple[str, str], Target] = {}
        shown: set[Source] = set()
        for target, answer in asked.items():
            if not isinstance(answer, Unresolved):
                shown |= {found for one in answer if (found := _source(one)) and not best_offer(one.offers, target)}
            elif (failed := unbuilt(answer.stderr)) is not None:
                named.setdefault(failed, target)
        calls = [partial(self._found, name, version, target) for (name, version), target in sorted(named.items())]
        shown |= {found for found in await gathered(calls, limit=_PARALLEL) if found is not None}
        new = shown - self._done - set(self._sources.values())
        for source in sorted(new, key=lambda source: source.offer.file):
            self._add_empty(source)
        return bool(new) and len(self._sources) <= _MOST

    async def _found(self, name: str, version: str, target: Target) -> Source | None:
        """Return the sdist of *name*; nothing of it is read, let alone executed."""
        requirement = f"{name}=={version}"
        question = Question(requirements=(requirement,), target=target, dependencies=False, sources=True)
        try:
            (resolved,) = await ask(question, self._root, where=requirement)
        except Unresolved:
            return None  # uv's first complaint is the error to show.
        return _source(resolved)

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
