"""How far a connector is from an image that anybody can build again: 100 points, minus what speaks against it.

What is not known costs nothing: a score says what was found in the Dockerfile and the images that were read. The
points of all reasons add up to 100; docs/reference/analysis.md says what each means and what mends it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reprobuild.analysis.facts import Cause, Claim, DockerfileFacts, ImageFacts, Reason, Score

__all__ = ["REASONS", "ReasonKind", "score_of", "scores_of"]

_MOST_NAMED = 3
_SUBSECOND = re.compile(r"\.\d*[1-9]\d*(?:Z|[+-]\d\d:\d\d)$")
"""The end of a time that was read from a clock: one that somebody chose is a whole second."""
_ROOT = ("", "root", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonKind:
    """A reason for fewer points: what it costs, what it means for any connector, and what mends it."""

    points: int
    title: str
    hint: str


REASONS = {
    "moving-base": ReasonKind(
        points=15, title="Base image named by a tag", hint="name the base image by digest: NAME:TAG@sha256:…"
    ),
    "unknown-base": ReasonKind(
        points=5, title="Base image not known", hint="say it in metadata, a label or an annotation of the image"
    ),
    "base-moved": ReasonKind(
        points=15, title="Base image has moved", hint="pin the digest that the image was built on, or rebuild and test"
    ),
    "unpinned-pip": ReasonKind(
        points=15, title="pip installs without a lock", hint="install from a lock with hashes: reprobuild lock update"
    ),
    "unpinned-os-packages": ReasonKind(
        points=10,
        title="OS packages without a version",
        hint="move them into the base image, or pin versions of a snapshot",
    ),
    "unverified-download": ReasonKind(
        points=10, title="Downloads without a digest", hint="make it an input that the lock has by digest"
    ),
    "python-differs": ReasonKind(
        points=5, title="Another Python than claimed", hint="set PYTHON_VERSION in the base image only, or not at all"
    ),
    "pip-differs": ReasonKind(
        points=3, title="Another pip than claimed", hint="pin pip in the base image; do not upgrade it on the way"
    ),
    "setuptools-differs": ReasonKind(
        points=2, title="Another setuptools than claimed", hint="pin setuptools in the base image or the lock"
    ),
    "changed-os-packages": ReasonKind(
        points=5, title="OS packages of the base replaced", hint="take a base image that has them, rather than upgrade"
    ),
    "added-os-packages": ReasonKind(
        points=3, title="OS packages outside the base", hint="move them into the base image, which all share"
    ),
    "created-time": ReasonKind(
        points=5, title="Creation time of a clock", hint="set SOURCE_DATE_EPOCH, or build with reprobuild"
    ),
    "bytecode": ReasonKind(
        points=3, title="Bytecode with times in it", hint="install without bytecode, or compile with unchecked hashes"
    ),
    "caches": ReasonKind(points=2, title="Caches in layers", hint="remove them in the step that writes them"),
    "root-user": ReasonKind(points=2, title="Runs as root", hint="set a USER in the Dockerfile or the base image"),
}
"""Every code, those that cost most first. Their points are 100 together, so that a score is never negative."""

Finding = tuple[str, str]
"""A code and what was found."""


def scores_of(dockerfiles: Iterable[DockerfileFacts], images: Iterable[ImageFacts]) -> tuple[Score, ...]:
    """Return the score of every connector that has a Dockerfile or an image, sorted by name."""
    files: dict[str, list[DockerfileFacts]] = {}
    built: dict[str, list[ImageFacts]] = {}
    for file in dockerfiles:
        files.setdefault(file.connector, []).append(file)
    for image in images:
        built.setdefault(image.connector, []).append(image)
    return tuple(score_of(name, files.get(name, ()), built.get(name, ())) for name in sorted({*files, *built}))


def score_of(connector: str, dockerfiles: Sequence[DockerfileFacts], images: Sequence[ImageFacts]) -> Score:
    """Return the score of *connector*, whose Dockerfiles and images of all platforms are given; each code once."""
    found: dict[str, list[str]] = {}
    for code, text in (*_of_dockerfiles(dockerfiles), *_of_images(images, has_dockerfile=bool(dockerfiles))):
        if text not in (texts := found.setdefault(code, [])):
            texts.append(text)
    reasons = tuple(
        Reason(code=code, points=kind.points, text=_joined(found[code]), hint=kind.hint)
        for code, kind in REASONS.items()
        if code in found
    )
    return Score(connector=connector, points=100 - sum(reason.points for reason in reasons), reasons=reasons)


def _of_dockerfiles(files: Iterable[DockerfileFacts]) -> Iterator[Finding]:
    for file in files:
        for code, names, words in (
            ("moving-base", file.moving_bases, "{} by tag"),
            ("unpinned-pip", file.unpinned_pip_installs, "pip installs {}"),
            ("unpinned-os-packages", file.unpinned_os_packages, "{} in whatever version there is"),
            ("unverified-download", file.downloads, "{} without a digest"),
        ):
            if names:
                yield code, words.format(_named(names))


def _of_images(images: Sequence[ImageFacts], *, has_dockerfile: bool) -> Iterator[Finding]:
    for image in images:
        if not has_dockerfile:
            yield from _base(image)
        if image.base_moved:
            yield "base-moved", f"{image.base or 'its tag'} leads to other layers today"
        yield from _differing("python-differs", "Python", image.python)
        yield from _differing("pip-differs", "pip", image.pip)
        yield from _differing("setuptools-differs", "setuptools", image.setuptools)
        yield from _added(image)
        yield from _contents(image)
        if image.user.partition(":")[0] in _ROOT:
            yield "root-user", "it names no other user" if not image.user else f"its user is {image.user}"


def _base(image: ImageFacts) -> Iterator[Finding]:
    if not image.base:
        yield "unknown-base", "nothing says what it was built on"
    elif "@" not in image.base:
        yield "moving-base", f"{image.base} by tag"


def _differing(code: str, name: str, claim: Claim) -> Iterator[Finding]:
    if claim.claimed and claim.found and claim.claimed != claim.found:
        yield code, f"claims {name} {claim.claimed}, has {claim.found}"


def _added(image: ImageFacts) -> Iterator[Finding]:
    added = image.added or ()
    if changed := [one.package.name for one in added if one.before]:
        yield "changed-os-packages", f"{_counted(changed)} in another version than the base has: {_named(changed)}"
    if new := [one.package.name for one in added if not one.before]:
        yield "added-os-packages", f"{_counted(new)} that the base has not: {_named(new)}"


def _contents(image: ImageFacts) -> Iterator[Finding]:
    is_of_clock = _SUBSECOND.search(image.created) is not None
    if is_of_clock:
        yield "created-time", f"created {image.created}"
    if (bytecode := _bytes(image, Cause.BYTECODE)) and is_of_clock:
        yield "bytecode", f"{_size(bytecode)} of bytecode, in an image whose times are those of a clock"
    if caches := _bytes(image, Cause.CACHES):
        yield "caches", f"{_size(caches)} of caches"


def _bytes(image: ImageFacts, cause: str) -> int:
    return sum(layer.causes.get(cause, 0) for layer in image.layers if not layer.is_base)


def _counted(names: Sequence[str]) -> str:
    return f"{len(names)} package{'' if len(names) == 1 else 's'}"


def _named(names: Iterable[str]) -> str:
    """Return the first of *names*, each once, and how many more there are."""
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - _MOST_NAMED} more" if len(unique) > _MOST_NAMED else ""
    return ", ".join(unique[:_MOST_NAMED]) + more


def _joined(texts: Sequence[str]) -> str:
    """Return what was found, in the Dockerfile and on each platform, in one text."""
    more = f"; and so on, {len(texts)} in all" if len(texts) > _MOST_NAMED else ""
    return "; ".join(texts[:_MOST_NAMED]) + more


def _size(count: int) -> str:
    return f"{count} B" if count < 1000 else f"{count / 1000:.1f} kB" if count < 999_950 else f"{count / 1e6:.1f} MB"
