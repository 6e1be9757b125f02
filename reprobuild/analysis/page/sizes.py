"""The section of sizes: what the bytes of each image are there for."""

from collections.abc import Mapping

from reprobuild.analysis.facts import Cause, ImageFacts
from reprobuild.analysis.page.markup import Markup, element, joined
from reprobuild.analysis.page.section import Section
from reprobuild.analysis.page.subject import Subjects
from reprobuild.analysis.page.table import Cell, Column, Row, megabytes, table

__all__ = ["bytes_by_cause", "sizes_section"]

_LARGEST = 1 << 60
"""More than any image has: what a report says beyond it is not drawn to scale."""


def bytes_by_cause(image: ImageFacts) -> dict[str, int]:
    """Return the bytes of the files of *image* by cause, in the order of `Cause.ALL`; unheard-of causes are other."""
    found = dict.fromkeys(Cause.ALL, 0)
    for layer in image.layers:
        for cause, count in layer.causes.items():
            found[cause if cause in found else Cause.OTHER] += min(max(count, 0), _LARGEST)
    return found


def sizes_section(subjects: Subjects) -> Section:
    """Return the section."""
    images = [image for image in subjects.fleet.images if image.layers]
    sums = {id(image): bytes_by_cause(image) for image in images}
    fleet = {cause: sum(one[cause] for one in sums.values()) for cause in Cause.ALL}
    most = max((sum(one.values()) for one in sums.values()), default=0)
    ordered = sorted(images, key=lambda one: (-sum(sums[id(one)].values()), one.connector, one.platform))
    rows = [_row(subjects, image, sums[id(image)], most) for image in ordered]
    columns = (
        Column("Connector"),
        Column("By cause", "wide", sorts=False),
        Column("Unpacked", "number"),
        Column("Download", "number"),
        *(Column(cause.capitalize() if cause.islower() else cause, "number") for cause in Cause.ALL),
    )
    body = (
        _whole(fleet),
        element(
            "figure",
            element("figcaption", "Each image, the largest first, in MB"),
            table("Sizes by cause, in MB", columns, rows, unit="image"),
        ),
    )
    return Section(
        id="sizes",
        title="Sizes",
        lead=_lead(images),
        body=body,
        note=f"{megabytes(sum(fleet.values()) // max(len(images), 1))} MB",
        absent="" if rows else "no layer was read",
    )


def _lead(images: list[ImageFacts]) -> str:
    layers = {layer.digest: layer.compressed for image in images for layer in image.layers}
    every = sum(layer.compressed for image in images for layer in image.layers)
    if not every:
        return "What the bytes of each image are there for."
    return (
        f"What the bytes of each image are there for. Downloads of all images are {megabytes(every)} MB; layers that "
        f"images share are stored once, which leaves {megabytes(sum(layers.values()))} MB in {len(layers)} layers."
    )


def _whole(fleet: Mapping[str, int]) -> Markup:
    """Return the bar of the whole fleet, which is the legend of the others too."""
    total = sum(fleet.values()) or 1
    entries = (
        element(
            "li",
            _swatch(place),
            element("span", f"{cause} "),
            element("b", f"{100 * fleet[cause] / total:.1f} %"),
            element("span", f" {megabytes(fleet[cause])} MB", class_="quiet"),
        )
        for place, cause in enumerate(Cause.ALL)
    )
    return element(
        "figure",
        element("figcaption", "All images together"),
        _stack(fleet, total, "stack whole"),
        element("ul", *entries, class_="legend"),
    )


def _swatch(place: int) -> Markup:
    box = {"viewBox": "0 0 10 10", "aria_hidden": "true"}
    return element("svg", element("rect", width="10", height="10", class_=f"cause-{place}"), class_="swatch", **box)


def _stack(causes: Mapping[str, int], most: int, kind: str) -> Markup:
    place, rects = 0.0, []
    for number, cause in enumerate(Cause.ALL):
        width = 1000 * causes[cause] / most if most else 0
        if width >= 0.5:
            rects.append(element("rect", x=f"{place:.1f}", width=f"{width:.1f}", height="10", class_=f"cause-{number}"))
        place += width
    box = {"viewBox": "0 0 1000 10", "preserveAspectRatio": "none", "aria_hidden": "true"}
    return element("svg", joined(rects), class_=kind, **box)


def _row(subjects: Subjects, image: ImageFacts, causes: Mapping[str, int], most: int) -> Row:
    total, compressed = sum(causes.values()), sum(layer.compressed for layer in image.layers)
    name = joined([image.connector, " ", element("span", image.platform, class_="quiet under")])
    return Row(
        subjects=subjects.of_images([image]),
        cells=(
            Cell(name, key=f"{image.connector} {image.platform}"),
            _stack(causes, most, "stack"),
            *(Cell(megabytes(count), key=count) for count in (total, compressed, *causes.values())),
        ),
    )
