"""An image against what it should be made from: how far it is from its Dockerfile, or from its lock."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name, canonicalize_version

from reprobuild.analysis.drift import Change, Drift, Why
from reprobuild.analysis.facts import DockerfileFacts, ImageFacts

__all__ = ["LockedImage", "dockerfile_drift", "lock_drift"]

_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?===?([^=,;\s*]+)")
_VERSION = "io.airbyte.version"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedImage:
    """What a lock says of a connector's image on one platform.

    *distributions* are versions by normalised name; *brought* are those of the base, which may be there as well.
    *manifest* is the digest that was recorded, *base_layers* the digests of the base's layers; empty if not known.
    """

    base: str
    python: str
    libc: str
    pip: str
    distributions: Mapping[str, str]
    brought: Mapping[str, str]
    manifest: str = ""
    base_layers: tuple[str, ...] = ()


def dockerfile_drift(image: ImageFacts, dockerfile: DockerfileFacts) -> Drift:
    """Return how *image*, read with the Dockerfile's base as its own, differs from what *dockerfile* says.

    Before is what the Dockerfile says, after is what the image has.
    """
    return Drift(
        connector=image.connector,
        platform=image.platform,
        a=dockerfile.path,
        b=f"{image.reference} ({image.digest[7:19]})",
        changes=tuple(_from_dockerfile(image, dockerfile)),
    )


def lock_drift(image: ImageFacts, locked: LockedImage, name: str) -> Drift:
    """Return how *image* differs from what the lock of the connector *name* says, which is before."""
    is_recorded = locked.manifest == image.digest
    return Drift(
        connector=image.connector,
        platform=image.platform,
        a=f"the lock of {name}",
        b=f"{image.reference} ({image.digest[7:19]})",
        changes=() if is_recorded else tuple(_from_lock(image, locked)),
    )


def _from_dockerfile(image: ImageFacts, said: DockerfileFacts) -> Iterator[Change]:
    if image.base_moved:
        text = "layers that this tag had before"
        yield Change(what="base", name=image.base, before="its layers today", after=text, cause=Why.MOVED_TAG)
    yield from _variables(image, said)
    for what in ("entrypoint", "command"):
        if (words := getattr(said, what)) and words != getattr(image, what):
            after = " ".join(getattr(image, what))
            yield Change(what=what, name="", before=" ".join(words), after=after, cause=Why.EDITED)
    for what in ("user", "workdir"):
        before, after = getattr(said, what), getattr(image, what)
        if before and "$" not in before and (before.rstrip("/") or "/") != after:
            yield Change(what=what, name="", before=before, after=after, cause=Why.EDITED)
    for name, value in sorted(said.labels.items()):
        if "$" not in value and image.labels.get(name) != value:
            cause = Why.UPGRADED if name == _VERSION else Why.EDITED
            yield Change(what="label", name=name, before=value, after=image.labels.get(name, ""), cause=cause)
    yield from _installs(image, said)


def _variables(image: ImageFacts, said: DockerfileFacts) -> Iterator[Change]:
    there, base = dict(image.environment), image.base_environment
    for name, value in sorted(said.environment.items()):
        if "$" not in value and there.get(name) != value:
            yield Change(what="variable", name=name, before=value, after=there.get(name, ""), cause=Why.EDITED)
    for name, value in sorted(there.items()):
        if name in said.environment or base is None or base.get(name) == value:
            continue
        cause = Why.MOVED_TAG if image.base_moved else Why.EDITED
        yield Change(what="variable", name=name, before=base.get(name, ""), after=value, cause=cause)


def _installs(image: ImageFacts, said: DockerfileFacts) -> Iterator[Change]:
    there = {one.name: one.version for one in image.distributions}
    for text in said.pip_installs:
        if (pinned := _PINNED.match(text)) is not None:
            name = str(canonicalize_name(pinned[1]))
            if not _is_same(there.get(name, ""), pinned[2]):
                after = there.get(name, "")
                yield Change(what="distribution", name=name, before=pinned[2], after=after, cause=Why.EDITED)
    versions = {one.name: one.version for one in image.os_packages}
    asked = dict(_os_request(text) for text in said.os_packages)
    for name, version in sorted(asked.items()):
        if versions and (name not in versions or (version and versions[name] != version)):
            after = versions.get(name, "")
            yield Change(what="os-package", name=name, before=version or "any", after=after, cause=Why.EDITED)
    for one in image.added or () if image.base_moved else ():
        if one.package.name not in asked:
            after = one.package.version
            yield Change(what="os-package", name=one.package.name, before=one.before, after=after, cause=Why.MOVED_TAG)


def _os_request(text: str) -> tuple[str, str]:
    name, _, version = text.partition("=")
    return name.partition(":")[0].rstrip("~<>"), version.lstrip("~=")


def _from_lock(image: ImageFacts, locked: LockedImage) -> Iterator[Change]:
    bottom = tuple(layer.digest for layer in image.layers[: len(locked.base_layers)])
    moved = bool(locked.base_layers) and bottom != locked.base_layers
    if moved:
        after = image.base or "other layers"
        yield Change(what="base", name="", before=locked.base, after=after, cause=Why.OTHER_BASE)
    cause = Why.OTHER_BASE if moved else Why.EDITED
    for what, before, after in (
        ("python", locked.python, image.python.found),
        ("libc", locked.libc, image.libc),
        ("pip", locked.pip, image.pip.found),
    ):
        if before and after and before != after and not (what == "libc" and after.startswith(f"{before}.")):
            yield Change(what=what, name="", before=before, after=after, cause=cause)
    yield from _distributions(image, locked)


def _distributions(image: ImageFacts, locked: LockedImage) -> Iterator[Change]:
    there = {one.name: one.version for one in image.distributions}
    for name in sorted({*there, *locked.distributions}):
        before, after = locked.distributions.get(name, ""), there.get(name, "")
        if name == "pip" or (not before and name in locked.brought) or _is_same(before, after):
            continue
        if not before and name == str(canonicalize_name(image.connector)):
            # The connector's own distribution is of its files, not of its lock.
            continue
        # A lock that has been updated says more than the image; one that has not would have given the same.
        cause = Why.UPGRADED if before and after else Why.EDITED
        yield Change(what="distribution", name=name, before=before, after=after, cause=cause)


def _is_same(one: str, other: str) -> bool:
    versions = [canonicalize_version(text, strip_trailing_zero=True) for text in (one, other)]
    return versions[0] == versions[1]
