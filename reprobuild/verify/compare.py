"""Two images, or two sets of changes → every difference, each with its cause. Pure: what is to be read was read.

Layers that both images have at one place are equal by their diffID. The others are summed up on either side, so that
files are compared by path wherever they stand; what two layers of one place differ by beyond that is a matter of
their form.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reprobuild.engines.execution import Changes
from reprobuild.image.index import IndexedFile
from reprobuild.oci.types import Descriptor, oci_media_type
from reprobuild.verify.alignment import Alignment, align
from reprobuild.verify.base_move import base_layers, base_moved
from reprobuild.verify.cause import rank
from reprobuild.verify.difference import Difference
from reprobuild.verify.document import config_differences, manifest_differences, media_type_difference
from reprobuild.verify.files import file_differences
from reprobuild.verify.image_view import ImageView
from reprobuild.verify.layer_order import form_causes
from reprobuild.verify.layer_sum import LayerSum, Placed, sum_of
from reprobuild.verify.package import Contents

__all__ = ["compare_changes", "differences", "sums"]


def differences(a: ImageView, b: ImageView, contents: Contents) -> tuple[Difference, ...]:
    """Return how *a* and *b* differ, the most telling first; nothing if their manifests are one.

    ``layers`` of both hold what `align` of their diffIDs leaves. *contents* gives a file's bytes by digest, or None:
    then the file's cause is *contents*. A *pax header* difference says that entries and contents are the same.
    """
    if a.descriptor.digest == b.descriptor.digest:
        return ()
    found = [*config_differences(a, b), *manifest_differences(a, b), *_layers(a, b, contents)]
    if not found:
        found = [_form(a, b)]
    return tuple(sorted(found, key=lambda one: (rank(one.cause), one.base, one.kind == "file")))


def compare_changes(a: Changes, b: Changes, contents: Contents) -> tuple[Difference, ...]:
    """Return how what two executions did differs, the most telling first; nothing if they did the same."""
    found = file_differences(_changed(a), _changed(b), contents)
    return tuple(sorted(found, key=lambda one: rank(one.cause)))


def sums(a: ImageView, b: ImageView, alignment: Alignment) -> tuple[LayerSum, LayerSum]:
    """Return what the layers of *a* and of *b* that are not equal add up to."""
    skipped = [*alignment.equal, *alignment.moved]
    return (
        _sum(a, alignment.a, min((one for one, _ in skipped), default=None)),
        _sum(b, alignment.b, min((other for _, other in skipped), default=None)),
    )


def _sum(view: ImageView, places: Sequence[int], unknown: int | None) -> LayerSum:
    entries = ((place + 1, _entries(view, place)) for place in places)
    return sum_of(entries, unknown=None if unknown is None else unknown + 1)


def _layers(a: ImageView, b: ImageView, contents: Contents) -> list[Difference]:
    alignment = align(a.config.diff_ids, b.config.diff_ids)
    mine, theirs = sums(a, b, alignment)
    base = base_layers(a, b, alignment)
    files = [_in_base(one, base) for one in file_differences(mine, theirs, contents, paired=alignment.paired)]
    explained = ({one.layers[0] for one in files}, {one.layers[1] for one in files})
    found = [*_compression(a, b, alignment), *_structure(a, b, alignment), *base_moved(a, b, alignment, base), *files]
    for one, other in alignment.paired:
        seen = one + 1 in explained[0] or other + 1 in explained[1]
        found += [_in_base(item, base) for item in _form_of_layers(a, b, (one, other), contents, seen=seen)]
    return found


def _form_of_layers(
    a: ImageView, b: ImageView, pair: tuple[int, int], contents: Contents, *, seen: bool
) -> list[Difference]:
    """Return what differs in the form of two layers, and, unless *seen*, in files that layers above hide."""
    mine, theirs = _entries(a, pair[0]), _entries(b, pair[1])
    layers = (pair[0] + 1, pair[1] + 1)
    place = f"layer {layers[0]}"
    found = [
        Difference(cause=cause, kind="layer", place=place, detail=detail, layers=layers)
        for cause, detail in form_causes(mine, theirs)
    ]
    if not seen:
        hidden = file_differences(sum_of([(layers[0], mine)]), sum_of([(layers[1], theirs)]), contents)
        found += [replace(one, detail=_joined(one.detail, "a layer above hides it")) for one in hidden]
    if not seen and not found:
        old, new = a.config.diff_ids[pair[0]], b.config.diff_ids[pair[1]]
        found.append(Difference(cause="pax header", kind="layer", place=place, old=old, new=new, layers=layers))
    return found


def _compression(a: ImageView, b: ImageView, alignment: Alignment) -> Iterator[Difference]:
    """Yield the layers that are the same bytes once they are decompressed, and not before."""
    for one, other in (*alignment.equal, *alignment.moved):
        mine, theirs = a.manifest.layers[one], b.manifest.layers[other]
        layers, place = (one + 1, other + 1), f"layer {one + 1}"
        if mine.digest != theirs.digest:
            detail = f"{_format(mine)}, {mine.size} bytes → {_format(theirs)}, {theirs.size} bytes"
            yield Difference(
                cause="compression only",
                kind="layer",
                place=place,
                old=mine.digest,
                new=theirs.digest,
                detail=detail,
                layers=layers,
            )
        yield from (replace(item, layers=layers) for item in media_type_difference(place, mine, theirs))
        if mine.annotations != theirs.annotations:
            yield Difference(cause="annotation", kind="layer", place=place, layers=layers)


def _structure(a: ImageView, b: ImageView, alignment: Alignment) -> Iterator[Difference]:
    """Yield that layers stand elsewhere, or that there are more or fewer of them."""
    for one, other in alignment.moved:
        detail = f"it is layer {one + 1} in A and layer {other + 1} in B"
        yield Difference(
            cause="layers", kind="layer", place=f"layer {one + 1}", detail=detail, layers=(one + 1, other + 1)
        )
    counts = len(a.manifest.layers), len(b.manifest.layers)
    if counts[0] != counts[1]:
        yield Difference(
            cause="layers", kind="image", place="layers", old=f"{counts[0]} layers", new=f"{counts[1]} layers"
        )


def _form(a: ImageView, b: ImageView) -> Difference:
    return Difference(
        cause="document form",
        kind="config",
        place="manifest",
        old=a.descriptor.digest,
        new=b.descriptor.digest,
    )


def _in_base(one: Difference, base: tuple[int, int]) -> Difference:
    number = one.layers[0] or 0, one.layers[1] or 0
    return (
        replace(one, base=True) if number[0] <= base[0] and number[1] <= base[1] and one.layers != (None, None) else one
    )


def _entries(view: ImageView, place: int) -> Sequence[IndexedFile]:
    return view.layers[view.config.diff_ids[place]]


def _format(layer: Descriptor) -> str:
    return oci_media_type(layer.media_type).rpartition("tar")[2].lstrip("+.") or "not compressed"


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)


def _changed(changes: Changes) -> LayerSum:
    files = {
        change.entry.path: Placed(IndexedFile(entry=change.entry, digest=change.digest), 1)
        for change in changes.present
    }
    return LayerSum(files=files, hidden=dict.fromkeys(changes.removed, 1))
