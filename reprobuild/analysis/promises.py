"""What an image promised to those who run it, and whether another one keeps that."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from reprobuild.analysis.facts import ImageFacts

__all__ = ["Promise", "Promises", "Verdict", "is_of_connector", "kept_promises"]

Verdict = Literal["kept", "changed", "lost"]

_OF_THE_BASE = re.compile(r"PYTHON_.*|PATH|LANG|LC_ALL|GPG_KEY|HOME|OTEL_.*|TRACEPARENT|HOSTNAME")
"""Variables that official images set, or whatever runs them: nobody counts on a connector for these."""
_LABELS_OF_A_BUILD = frozenset({"io.airbyte.version"})
_TOOLS = frozenset({"pip", "setuptools", "wheel", "uv", "poetry", "virtualenv"})
_ROOT = frozenset({"", "0", "root", "0:0", "root:root"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What an image, or its Dockerfile, gives whoever runs it; ``None`` is: not known.

    ``os_packages`` are versions by name, empty where any will do.
    """

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    workdir: str = ""
    user: str = ""
    timezone: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    os_packages: Mapping[str, str] = field(default_factory=dict)
    distributions: Mapping[str, str] | None = None
    python: str = ""
    downloads: Sequence[str] = ()
    """Addresses whose contents are in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One of them: what it is about, what was promised, what there is now. *is_broken*: somebody should look at it.

    *reason* says why it is not, though it is not kept.
    """

    what: str
    before: str
    after: str
    verdict: Verdict
    is_broken: bool
    reason: str = ""


def kept_promises(
    promises: Promises, image: ImageFacts, *, own: str, inputs: Sequence[str] = ()
) -> tuple[Promise, ...]:
    """Hold *image* against *promises*: entrypoint first, then environment, labels, packages.

    *own* is the connector's distribution, which may be files now; *inputs* are addresses that the image is made of.
    """
    return (
        *_start(promises, image),
        *_mapping("variable", promises.environment, dict(image.environment)),
        *_mapping("label", promises.labels, image.labels),
        *_system(promises, image, inputs),
        *_distributions(promises.distributions or {}, image, own),
    )


def is_of_connector(name: str) -> bool:
    """Say whether the variable *name* is one that a connector, and not its base image, is asked for."""
    return _OF_THE_BASE.fullmatch(name) is None


def _start(promises: Promises, image: ImageFacts) -> Iterator[Promise]:
    yield _held("entrypoint", " ".join(promises.entrypoint), " ".join(image.entrypoint))
    if promises.command or image.command:
        yield _held("command", " ".join(promises.command), " ".join(image.command))
    yield _held("working directory", promises.workdir or "/", image.workdir or "/")
    before, after = ("root" if user in _ROOT else user for user in (promises.user, image.user))
    yield _held("user", before, after)
    if promises.timezone is not None:
        yield _held("timezone", promises.timezone, image.timezone)
    if promises.python:
        # A patch level moves with every base; what is written for it is asked by requires-python.
        now = image.python.found or image.python.claimed
        yield _held("Python", promises.python, now, reason="that of the base image, which the lock pins")


def _mapping(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Promise]:
    for name in sorted(before):
        if name in _LABELS_OF_A_BUILD:
            continue
        reason = "" if what == "label" or is_of_connector(name) else "base images set it"
        yield _held(f"{what} {name}", before[name], after.get(name, ""), is_there=name in after, reason=reason)


def _system(promises: Promises, image: ImageFacts, inputs: Sequence[str]) -> Iterator[Promise]:
    there = {one.name: one.version for one in image.os_packages}
    for name, version in promises.os_packages.items():
        now = there.get(name, "")
        reason = "that of the base image, which the lock pins" if name in there else ""
        before = version or now or "installed"
        yield _held(f"OS package {name}", before, now, is_there=name in there, reason=reason)
    for url in dict.fromkeys(promises.downloads):
        # Whether the hook makes of it what the Dockerfile made is for people to see.
        yield _held(f"download {url}", "an input", "an input" if url in inputs else "", is_there=url in inputs)


def _distributions(before: Mapping[str, str], image: ImageFacts, own: str) -> Iterator[Promise]:
    after = {one.name: one.version for one in image.distributions}
    for name in sorted(before):
        now, reason = after.get(name, ""), ""
        if name in after:
            reason = "the lock pins it"
        elif name in {own, f"airbyte-{own}"}:
            reason = "its files are copied, not installed"
        elif name in _TOOLS:
            reason = "a tool that installs"
        yield _held(f"distribution {name}", before[name], now, is_there=name in after, reason=reason)


def _held(what: str, before: str, after: str, *, is_there: bool = True, reason: str = "") -> Promise:
    """Return the promise with its verdict; with a *reason* it is not broken, whatever has become of it."""
    verdict: Verdict = "kept" if is_there and before == after else "changed" if is_there and after else "lost"
    is_kept = verdict == "kept"
    return Promise(
        what=what,
        before=before,
        after=after if is_there else "",
        verdict=verdict,
        is_broken=not is_kept and not reason,
        reason="" if is_kept else reason,
    )
