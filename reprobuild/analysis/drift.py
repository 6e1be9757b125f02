"""What changed between two images, and why most likely.

A cause is what the facts allow to conclude, in this order: what belongs to the base changed because the base's tag
moved, or because another base was chosen; what is configured was edited; all else came with a new release of the
connector, or, if that is the same release, with building it again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reprobuild.analysis.facts import ImageFacts, PackageFacts

__all__ = ["Change", "Drift", "Why", "image_drift"]

_NAME = "io.airbyte.name"
_VERSIONS = ("io.airbyte.version", "org.opencontainers.image.version")
_TIMES = frozenset({"org.opencontainers.image.created", "org.opencontainers.image.revision"})
_TOOLS = frozenset({"pip", "setuptools", "wheel"})
"""Distributions that a base brings along."""


class Why:
    """Likely causes: the words of `Change.cause`."""

    MOVED_TAG = "moved tag"
    OTHER_BASE = "another base"
    UPGRADED = "upgraded"
    EDITED = "edited"
    REBUILT = "rebuilt"
    ALL = (MOVED_TAG, OTHER_BASE, UPGRADED, EDITED, REBUILT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that changed: *what* kind, which by *name*, from *before* to *after*; "" where it is not there.

    *what* is base, python, pip, setuptools, libc, system, timezone, variable, entrypoint, command, user, workdir,
    label, distribution, os-package, layers or dockerfile. For the last, *name* says in words what is otherwise in it,
    and *before* and *after* are its variants.
    """

    what: str
    name: str
    before: str
    after: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How one image, or Dockerfile, differs from another: *a* and *b* are in words where the two were found.

    *platform* is empty for Dockerfiles.
    """

    connector: str
    platform: str
    a: str
    b: str
    changes: tuple[Change, ...]

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes of all changes, each once, the most telling first."""
        found = {change.cause for change in self.changes}
        return tuple(cause for cause in Why.ALL if cause in found)


def image_drift(a: ImageFacts, b: ImageFacts) -> Drift:
    """Return what is otherwise in *b* than in *a*."""
    changes = tuple(_changes(a, b)) if a.digest != b.digest else ()
    return Drift(connector=b.connector, platform=b.platform, a=_place(a), b=_place(b), changes=changes)


def _changes(a: ImageFacts, b: ImageFacts) -> Iterator[Change]:
    base, release = _base_cause(a, b), _release_cause(a, b)
    if base is not None:
        yield from _base(a, b, base)
    for what in ("python", "pip", "setuptools"):
        old, new = getattr(a, what), getattr(b, what)
        before, after = old.found or old.claimed, new.found or new.claimed
        yield from _one(what, "", before, after, base or release)
    for what in ("libc", "system"):
        yield from _one(what, "", getattr(a, what), getattr(b, what), base or release)
    yield from _configured(a, b, base)
    of_base = _of_base(a, b, base)
    yield from _packages("os-package", a.os_packages, b.os_packages, lambda one: of_base(one) or release)
    yield from _packages(
        "distribution", a.distributions, b.distributions, lambda one: (one.name in _TOOLS and base) or release
    )
    yield from _layers(a, b, base or release)


def _base_cause(a: ImageFacts, b: ImageFacts) -> str | None:
    """Return why the bases differ; None if they do not, or if nobody can know."""
    if a.base and b.base and a.base != b.base:
        return Why.OTHER_BASE
    old, new = (tuple(layer.digest for layer in one.layers if layer.is_base) for one in (a, b))
    if old and new and old != new:
        # The same name leads to other layers.
        return Why.MOVED_TAG
    return None


def _release_cause(a: ImageFacts, b: ImageFacts) -> str:
    if a.labels.get(_NAME) != b.labels.get(_NAME):
        return Why.EDITED
    versions = [next((one.labels[key] for key in _VERSIONS if one.labels.get(key)), "") for one in (a, b)]
    return Why.UPGRADED if versions[0] != versions[1] else Why.REBUILT


def _base(a: ImageFacts, b: ImageFacts, cause: str) -> Iterator[Change]:
    if cause == Why.OTHER_BASE:
        yield Change(what="base", name="", before=a.base, after=b.base, cause=cause)
    else:
        old, new = map(_bottom, (a, b))
        yield Change(what="base", name=b.base or a.base, before=old, after=new, cause=cause)


def _bottom(one: ImageFacts) -> str:
    """Return the base's layers in words: how many, and the uppermost."""
    digests = [layer.digest for layer in one.layers if layer.is_base]
    return f"{len(digests)} {'layer' if len(digests) == 1 else 'layers'} up to {digests[-1][:19]}"


def _configured(a: ImageFacts, b: ImageFacts, base: str | None) -> Iterator[Change]:
    before, after = dict(a.environment), dict(b.environment)
    for name in _names(before, after):
        is_of_base = base and any(name in (one.base_environment or {}) for one in (a, b))
        is_claim = base and name.startswith("PYTHON_") and name in before and name in after
        cause = base if base and (is_of_base or is_claim) else Why.EDITED
        yield from _one("variable", name, before.get(name), after.get(name), cause)
    for what in ("entrypoint", "command"):
        yield from _one(what, "", _command(getattr(a, what)), _command(getattr(b, what)), Why.EDITED)
    for what in ("user", "workdir"):
        yield from _one(what, "", getattr(a, what), getattr(b, what), Why.EDITED)
    yield from _one("timezone", "", a.timezone, b.timezone, base or Why.EDITED)
    for name in _names(a.labels, b.labels):
        cause = Why.UPGRADED if name in _VERSIONS else Why.REBUILT if name in _TIMES else Why.EDITED
        yield from _one("label", name, a.labels.get(name), b.labels.get(name), cause)


def _of_base(a: ImageFacts, b: ImageFacts, base: str | None) -> Callable[[PackageFacts], str | None]:
    """Return what says of a package, if it is the base's, why that changed.

    What an image on a base that has not moved has beside it, or in another version, was installed by itself.
    """
    own = {
        (one.package.name, one.package.version)
        for image in (a, b)
        if image.base_moved is False
        for one in image.added or ()
    }
    return lambda one: base if (one.name, one.version) not in own else None


def _packages(
    what: str, a: Iterable[PackageFacts], b: Iterable[PackageFacts], cause: Callable[[PackageFacts], str]
) -> Iterator[Change]:
    before, after = _by_name(a), _by_name(b)
    for key in _names(before, after):
        old, new = before.get(key, []), after.get(key, [])
        versions = [", ".join(sorted(one.version for one in side)) for side in (old, new)]
        if versions[0] != versions[1]:
            why = cause((new or old)[0])
            yield Change(what=what, name=key, before=versions[0], after=versions[1], cause=why)


def _by_name(packages: Iterable[PackageFacts]) -> Mapping[str, list[PackageFacts]]:
    """Return *packages* by name; of those for several architectures each with its own."""
    found: dict[str, list[PackageFacts]] = {}
    for one in packages:
        found.setdefault(one.name, []).append(one)
    return found


def _layers(a: ImageFacts, b: ImageFacts, cause: str) -> Iterator[Change]:
    old, new = ([layer.digest for layer in one.layers] for one in (a, b))
    shared = len({*old} & {*new})
    if old != new:
        after = f"{len(new)}, {shared} of them the same"
        yield Change(what="layers", name="", before=str(len(old)), after=after, cause=cause)
    elif a.created != b.created:
        yield Change(what="layers", name="", before=a.created, after=b.created, cause=Why.REBUILT)


def _one(what: str, name: str, before: str | None, after: str | None, cause: str) -> Iterator[Change]:
    if before != after:
        yield Change(what=what, name=name, before=_shown(before, after), after=_shown(after, before), cause=cause)


def _shown(value: str | None, other: str | None) -> str:
    """Return *value* so that an empty one is told from none."""
    return "(empty)" if value == "" and other is None else value or ""


def _names(a: Mapping[str, object], b: Mapping[str, object]) -> list[str]:
    return sorted({*a, *b})


def _command(words: Sequence[str]) -> str:
    return " ".join(words)


def _place(one: ImageFacts) -> str:
    return f"{one.reference} ({one.digest[7:19]})"
