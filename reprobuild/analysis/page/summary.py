"""The top of the page: the fleet in a few figures, and what stands out, in words."""

from collections.abc import Iterator, Sequence
from statistics import median_low

from reprobuild.analysis.facts import Cause, Claim, Fleet
from reprobuild.analysis.page.bases import bases_of
from reprobuild.analysis.page.configuration import properties_of
from reprobuild.analysis.page.markup import Child, Markup, element, joined
from reprobuild.analysis.page.packages import added_packages
from reprobuild.analysis.page.sizes import bytes_by_cause
from reprobuild.analysis.page.subject import Subjects
from reprobuild.analysis.page.table import megabytes
from reprobuild.analysis.page.versions import natural

__all__ = ["summary"]

_NAMED = 4
_FEW = 0.2
"""Up to which share of a fleet a minority is one."""

Finding = tuple[str, Child]
"""A section's id, and what stands out there."""


def summary(subjects: Subjects) -> Markup:
    """Return the figures and what stands out."""
    findings = [element("li", element("a", text, href=f"#{place}")) for place, text in _findings(subjects)]
    nothing = "Nothing: what was read is all alike." if subjects.all else "Nothing was read."
    return element(
        "section",
        element("dl", *_figures(subjects), class_="figures"),
        element("h2", "What stands out", id="summary-heading"),
        element("ul", *findings, class_="findings") if findings else element("p", nothing, class_="quiet"),
        id="summary",
        aria_labelledby="summary-heading",
    )


def _figures(subjects: Subjects) -> Iterator[Markup]:
    fleet = subjects.fleet
    files, images = len(fleet.dockerfiles), len(fleet.images)
    read = [f"{files} Dockerfile{_s(files)}"] * bool(files) + [f"{images} image{_s(images)}"] * bool(images)
    yield _figure("Connectors", len(subjects.connectors), " and ".join(read) or "none was read")
    if fleet.scores:
        points = [score.points for score in fleet.scores]
        yield _figure("Median score", median_low(points), f"of 100; from {min(points)} to {max(points)}")
    if fleet.variants:
        most = len(fleet.variants[0].connectors)
        yield _figure("Dockerfile variants", len(fleet.variants), f"the most common has {most} of {files}")
    if images:
        versions = sorted({one.python.found or one.python.claimed for one in fleet.images} - {""}, key=natural)
        span = f"{versions[0]} to {versions[-1]}" if len(versions) > 1 else "".join(versions) or "none was found"
        yield _figure("Versions of Python", len(versions), span)
        if any(image.added is not None for image in fleet.images):
            added = added_packages(fleet.images)
            holders = {image.connector for members in added.values() for image in members}
            yield _figure("Extra OS packages", len(added), f"in {len(holders)} connector{_s(len(holders))}")
    unread = len(fleet.missing) + sum(bool(image.unread) for image in fleet.images)
    yield _figure("Missing", unread, "could not be read" if unread else "nothing of what was asked for")


def _figure(name: str, value: int, words: str) -> Markup:
    return element("div", element("dt", name), element("dd", value), element("dd", words, class_="quiet"))


def _findings(subjects: Subjects) -> Iterator[Finding]:
    fleet = subjects.fleet
    yield from _of_bases(fleet)
    if len(fleet.variants) > 1:
        alone = sum(len(one.connectors) == 1 for one in fleet.variants)
        more = f", and {alone} of them {'is' if alone == 1 else 'are'} of one connector only" if alone else ""
        yield "variants", f"{len(fleet.variants)} ways of writing the Dockerfile{more}."
    yield from _of_versions(fleet, "Python", [image.python for image in fleet.images])
    yield from _of_versions(fleet, "pip", [image.pip for image in fleet.images])
    yield from _of_environment(fleet)
    yield from _of_entrypoints(fleet)
    yield from _of_packages(fleet)
    yield from _of_sizes(fleet)
    if fleet.missing:
        yield "missing", joined([_listed([one.name for one in fleet.missing]), " could not be read."])


def _of_bases(fleet: Fleet) -> Iterator[Finding]:
    uses = bases_of(fleet)
    tags = [reference for reference in uses if "@" not in reference]
    if tags:
        connectors = {name for reference in tags for name in uses[reference].connectors}
        words = f"{len(tags)} base image{_s(len(tags))} named by tag only, in {len(connectors)} connectors"
        yield "bases", joined([words, ": ", _listed(tags), "."])
    if moved := {name for use in uses.values() for name in use.moved}:
        known = {name for use in uses.values() for name in use.moved | use.same}
        yield (
            "bases",
            f"The base has moved since under {len(moved)} of the {len(known)} connectors where that is known.",
        )


def _of_versions(fleet: Fleet, name: str, claims: Sequence[Claim]) -> Iterator[Finding]:
    versions = sorted({one.found or one.claimed for one in claims} - {""}, key=natural)
    apart = [one for one in claims if one.claimed and one.found and one.claimed != one.found]
    if len(versions) > 1:
        yield "drift", joined([f"{len(versions)} versions of {name}: ", _listed(versions), "."])
    if apart:
        verb, has = ("claims", "it has") if len(apart) == 1 else ("claim", "they have")
        yield "drift", f"{len(apart)} of {len(fleet.images)} images {verb} another {name} than {has}."


def _of_environment(fleet: Fleet) -> Iterator[Finding]:
    for spread, words in (("varying", "set by all, to different values"), ("specific", "set by some only")):
        found = [one.name for one in fleet.settings if one.spread == spread]
        if found:
            yield "environment", joined([f"{len(found)} variable{_s(len(found))} {words}: ", _listed(found), "."])


def _of_entrypoints(fleet: Fleet) -> Iterator[Finding]:
    found = {value: names for (name, value), names in properties_of(fleet).items() if name == "entrypoint"}
    total = len({name for connectors in found.values() for name in connectors})
    few = sorted({name for names in found.values() if len(names) <= _FEW * total for name in names})
    if len(found) > 1 and 0 < len(few) <= _FEW * total:
        verb = "starts" if len(few) == 1 else "start"
        yield "configuration", joined([_listed(few), f" {verb} another program than the rest."])


def _of_packages(fleet: Fleet) -> Iterator[Finding]:
    found = added_packages(fleet.images)
    for is_new, words in ((True, "that their base has not"), (False, "in another version than their base has")):
        chosen = {key: images for key, images in found.items() if bool(key[3]) is not is_new}
        packages = list(dict.fromkeys(key[1] for key in chosen))
        holders = {image.connector for images in chosen.values() for image in images}
        if packages:
            head = (
                f"{len(packages)} OS package{_s(len(packages))} {words}, in {len(holders)} connector{_s(len(holders))}"
            )
            yield "os-packages", joined([head, ": ", _listed(packages), "."])


def _of_sizes(fleet: Fleet) -> Iterator[Finding]:
    sums = [bytes_by_cause(image) for image in fleet.images]
    total = sum(sum(one.values()) for one in sums)
    spare = sum(one[Cause.CACHES] + one[Cause.BYTECODE] for one in sums)
    if total and spare >= total / 100:
        share = f"{100 * spare / total:.0f} %"
        yield "sizes", f"Caches and bytecode are {share} of all bytes: {megabytes(spare)} MB."


def _listed(texts: Sequence[Child]) -> Markup:
    """Return the first of *texts* as code, and how many more there are."""
    shown = [element("code", text) for text in texts[:_NAMED]]
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    head = joined(part for n, one in enumerate(shown) for part in ((", ", one) if n else (one,)))
    return joined([head, more])


def _s(count: int) -> str:
    return "" if count == 1 else "s"
