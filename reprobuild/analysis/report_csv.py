"""A fleet as tables for spreadsheets (RFC 4180, UTF-8): one for each kind of thing, in the long form that pivots take.

A cell that a spreadsheet would take for a formula begins with an apostrophe instead: what is in an image or a
Dockerfile was written by others, and opening a report must run nothing.
"""

import csv
import io
import shlex
from collections.abc import Iterable, Iterator, Sequence

from reprobuild.analysis.facts import Cause, DockerfileFacts, Fleet, ImageFacts, PackageFacts

__all__ = ["csv_tables"]

Value = str | int | bool | None
Rows = Iterator[Sequence[Value]]

_CONNECTORS = (
    *("connector", "platform", "score", "reasons", "variant", "dockerfile", "language", "support_level"),
    *("reference", "digest", "created", "base", "base_moved", "python_claimed", "python_found", "pip_claimed"),
    *("pip_found", "setuptools_claimed", "setuptools_found", "libc", "system", "entrypoint", "command", "user"),
    *("workdir", "timezone", "compressed_bytes", "unread"),
)
_VARIANTS = ("variant", "count", "example", "connectors", "compared_with", "differences", "text")
_ENVIRONMENT = ("variable", "spread", "value", "connector", "from_base")
_PACKAGES = ("connector", "platform", "kind", "name", "version", "architecture", "outside_base", "version_in_base")
_SIZES = ("connector", "platform", "layer", "digest", "is_base", "created_by", "compressed_bytes", *Cause.ALL)
_MISSING = ("name", "why", "hint")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a formula may begin, in the full width of East Asian scripts too."""


def csv_tables(fleet: Fleet) -> dict[str, bytes]:
    """Return the tables of *fleet* by file name; each has a head, and equal fleets give equal bytes."""
    return {
        "connectors.csv": _table(_CONNECTORS, _connectors(fleet)),
        "variants.csv": _table(_VARIANTS, _variants(fleet)),
        "environment.csv": _table(_ENVIRONMENT, _environment(fleet)),
        "packages.csv": _table(_PACKAGES, _packages(fleet)),
        "sizes.csv": _table(_SIZES, _sizes(fleet)),
        "missing.csv": _table(_MISSING, ((one.name, one.why, one.hint) for one in fleet.missing)),
    }


def _table(head: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    # Half of a pair, which JSON can smuggle in, is no character: it is written out.
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _connectors(fleet: Fleet) -> Rows:
    """Yield a row for each image, and one for each Dockerfile of a connector without an image."""
    files = {one.connector: one for one in fleet.dockerfiles}
    scores = {one.connector: one for one in fleet.scores}
    images: dict[str, list[ImageFacts]] = {}
    for image in fleet.images:
        images.setdefault(image.connector, []).append(image)
    for name in sorted({*files, *images, *scores}):
        score, file = scores.get(name), files.get(name)
        judged: Sequence[Value] = (
            (score.points, " ".join(reason.code for reason in score.reasons)) if score else (None, None)
        )
        for one in images.get(name, [None]):
            yield (name, one.platform if one else "", *judged, *_of_dockerfile(file), *_of_image(one, file))


def _of_dockerfile(file: DockerfileFacts | None) -> Sequence[Value]:
    return (file.variant, file.path, file.language, file.support_level) if file else ("", "", "", "")


def _of_image(image: ImageFacts | None, file: DockerfileFacts | None) -> Sequence[Value]:
    """Return what the image is; of a connector without one, what its Dockerfile asks for."""
    if image is None:
        said = (shlex.join(file.entrypoint), shlex.join(file.command), file.user, file.workdir) if file else ("",) * 4
        base = file.bases[-1] if file and file.bases else ""
        return ("", "", "", base, None, *("",) * 8, *said, "", None, "")
    return (
        image.reference,
        image.digest,
        image.created,
        image.base,
        image.base_moved,
        *(version for claim in (image.python, image.pip, image.setuptools) for version in (claim.claimed, claim.found)),
        image.libc,
        image.system,
        shlex.join(image.entrypoint),
        shlex.join(image.command),
        image.user,
        image.workdir,
        image.timezone,
        sum(layer.compressed for layer in image.layers),
        "; ".join(image.unread),
    )


def _variants(fleet: Fleet) -> Rows:
    for one in fleet.variants:
        names, differences = " ".join(one.connectors), "; ".join(one.differences)
        yield one.digest, len(one.connectors), one.example, names, one.compared_with, differences, one.text


def _environment(fleet: Fleet) -> Rows:
    for setting in fleet.settings:
        for value, connectors in sorted(setting.values.items()):
            for connector in connectors:
                yield setting.name, setting.spread, value, connector, setting.from_base.get(connector)


def _packages(fleet: Fleet) -> Rows:
    for image in fleet.images:
        yield from ((*_package(image, one), None, "") for one in image.distributions)
        added = {one.package: one for one in image.added or ()}
        for package in dict.fromkeys((*image.os_packages, *added)):
            outside = added.get(package)
            is_outside = None if image.added is None else outside is not None
            yield (*_package(image, package), is_outside, outside.before if outside else "")


def _package(image: ImageFacts, one: PackageFacts) -> Sequence[Value]:
    return image.connector, image.platform, one.kind, one.name, one.version, one.architecture


def _sizes(fleet: Fleet) -> Rows:
    for image in fleet.images:
        for number, layer in enumerate(image.layers, 1):
            causes = (layer.causes.get(cause, 0) for cause in Cause.ALL)
            made = (layer.digest, layer.is_base, layer.created_by, layer.compressed)
            yield (image.connector, image.platform, number, *made, *causes)
