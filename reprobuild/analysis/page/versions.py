"""The section of drift: which Python and pip there are over the fleet, as claimed and as found."""

import re
from collections.abc import Callable, Iterable, Sequence

from reprobuild.analysis.facts import Claim, ImageFacts
from reprobuild.analysis.page.markup import Markup, element
from reprobuild.analysis.page.section import Section
from reprobuild.analysis.page.subject import Subjects
from reprobuild.analysis.page.table import Cell, Column, Row, bar, table

__all__ = ["natural", "versions_section"]

_DIGITS = re.compile(r"(\d+)")
_UNKNOWN = "unknown"
_TOOLS: tuple[tuple[str, Callable[[ImageFacts], Claim]], ...] = (
    ("Python", lambda image: image.python),
    ("pip", lambda image: image.pip),
    ("setuptools", lambda image: image.setuptools),
)


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts numbers within texts by their value: 3.9 before 3.11."""
    parts = _DIGITS.split(text)
    # Numbers of any length compare as texts of one length do: no number is made of what may have a million digits.
    return tuple((len(part.lstrip("0")), part.lstrip("0")) if n % 2 else (-1, part) for n, part in enumerate(parts))


def versions_section(subjects: Subjects) -> Section:
    """Return the section."""
    images = subjects.fleet.images
    charts = [_chart(subjects, name, claim) for name, claim in _TOOLS]
    body = (element("div", *charts, class_="beside"), _pairs(subjects), _by_image(subjects))
    found = {image.python.found or image.python.claimed for image in images} - {""}
    return Section(
        id="drift",
        title="Drift of Python, pip and setuptools",
        lead="What an image claims is what its environment says; what is found is what its files are. Where they part, "
        "a step upgraded on the way, or the base image says something else than it has.",
        body=body,
        note=str(len(found)),
        absent="" if images else "no image was read",
    )


def _chart(subjects: Subjects, name: str, claim_of: Callable[[ImageFacts], Claim]) -> Markup:
    """Return how many images have each version: found, and below it claimed."""
    images = subjects.fleet.images
    claims = [(claim_of(image), image) for image in images]
    versions = {version for claim, _ in claims for version in (claim.claimed, claim.found)} - {""}
    rows = []
    for version in [*sorted(versions, key=natural), ""]:
        found = [image for claim, image in claims if claim.found == version]
        claimed = [image for claim, image in claims if claim.claimed == version]
        if found or claimed:
            rows.append(_version(version or _UNKNOWN, "found", found, subjects))
            rows.append(_version(version or _UNKNOWN, "claimed", claimed, subjects))
    columns = (Column(name), Column(""), Column("Share", sorts=False), Column("Images", "number"))
    return element(
        "figure",
        element("figcaption", f"{name}: images by version"),
        table(f"{name}: images by version", columns, rows, unit="image"),
        class_="chart",
    )


def _version(version: str, kind: str, images: Sequence[ImageFacts], subjects: Subjects) -> Row:
    total = len(subjects.fleet.images)
    return Row(
        subjects=subjects.of_images(images),
        cells=(
            element("span", version, class_="version"),
            element("span", kind, class_="quiet"),
            bar(len(images), total, kind=kind),
            Cell(len(images), counts=True),
        ),
    )


def _pairs(subjects: Subjects) -> Markup | None:
    """Return which pip was found with which Python, as a table of counts; the darker, the more."""
    groups: dict[tuple[str, str], list[ImageFacts]] = {}
    for image in subjects.fleet.images:
        groups.setdefault((_best(image.python), _best(image.pip)), []).append(image)
    pythons, pips = ({pair[place] for pair in groups} for place in (0, 1))
    if len(groups) < 2:
        return None
    most = max(map(len, groups.values()))
    across = sorted(pips, key=natural)
    label = "Which pip is with which Python, in images"
    head = element(
        "tr",
        element("td", ""),
        *(element("th", f"pip {one}" if one != _UNKNOWN else one, scope="col") for one in across),
    )
    rows = (
        element(
            "tr",
            element("th", f"Python {python}" if python != _UNKNOWN else python, scope="row"),
            *(_pair(groups.get((python, pip), ()), most, subjects) for pip in across),
        )
        for python in sorted(pythons, key=natural)
    )
    return element(
        "figure",
        element("figcaption", label),
        element(
            "div",
            element(
                "table",
                element("thead", head),
                element("tbody", *rows),
                class_="heat",
                data_unit="image",
                aria_label=label,
            ),
            class_="scrolls",
            tabindex=0,
            role="region",
            aria_label=label,
        ),
    )


def _pair(images: Sequence[ImageFacts], most: int, subjects: Subjects) -> Markup:
    if not images:
        return element("td", element("span", "·", class_="quiet"))
    shade = 1 + round(4 * len(images) / most)
    return element("td", len(images), class_=f"shade-{shade}", data_s=subjects.of_images(images), data_n=True)


def _by_image(subjects: Subjects) -> Markup:
    columns = (
        Column("Connector"),
        Column("Platform"),
        *(Column(name) for name, _ in _TOOLS),
        Column("C library"),
        Column("System"),
    )
    rows = [
        Row(
            subjects=subjects.of_images([image]),
            cells=(
                image.connector,
                image.platform,
                *(_claim(claim_of(image)) for _, claim_of in _TOOLS),
                image.libc,
                image.system,
            ),
        )
        for image in _sorted(subjects.fleet.images)
    ]
    return element(
        "figure",
        element(
            "figcaption",
            "Each image: what is found, and what is claimed where that is another version; those that differ first",
        ),
        table("Python, pip and setuptools of each image", columns, rows, unit="image"),
    )


def _claim(claim: Claim) -> Cell:
    if not claim.found:
        words = f"claims {claim.claimed}" if claim.claimed else _UNKNOWN
        return Cell(element("span", words, class_="quiet"), key=claim.claimed)
    if claim.claimed in ("", claim.found):
        return Cell(claim.found)
    apart = element("span", f"≠ {claim.claimed} claimed", class_="differs")
    return Cell(element("span", claim.found, " ", apart), key=claim.found)


def _best(claim: Claim) -> str:
    return claim.found or claim.claimed or _UNKNOWN


def _sorted(images: Iterable[ImageFacts]) -> list[ImageFacts]:
    """Return *images*, those first that claim other versions than they have."""
    return sorted(images, key=lambda image: (not _is_apart(image), image.connector, image.platform, image.reference))


def _is_apart(image: ImageFacts) -> bool:
    claims = (claim_of(image) for _, claim_of in _TOOLS)
    return any(claim.claimed and claim.found and claim.claimed != claim.found for claim in claims)
