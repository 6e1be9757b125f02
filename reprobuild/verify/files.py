"""Two sums of layers → how their files differ, path by path, each difference with its cause."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from reprobuild.canonical import Digest
from reprobuild.verify.cause import Cause
from reprobuild.verify.content import content_cause
from reprobuild.verify.difference import Difference
from reprobuild.verify.layer_sum import LayerSum, Placed
from reprobuild.verify.metadata import metadata_causes, when
from reprobuild.verify.package import Contents, Owners, distribution_differences, os_package_differences
from reprobuild.verify.places import is_installer_note, is_log_or_cache, is_package_database, is_telling, source_of

__all__ = ["file_differences", "wanted"]

_OF_A_PACKAGE = frozenset[Cause]({"contents", "text", "file only in one", "bytecode", "type changed", "RECORD order"})
"""Causes that a distribution which differs explains."""


def file_differences(
    a: LayerSum, b: LayerSum, contents: Contents, *, paired: Collection[tuple[int, int]] = ()
) -> list[Difference]:
    """Return how the files of *a* and *b* differ, sorted by path bytes, packages first.

    *paired*: places of layers, from 0, that stand for one another; a file that is the same and stands in another
    layer is a difference, too, unless *paired* is empty.
    """
    packages, owners = distribution_differences(a, b, contents)
    found = [*packages, *os_package_differences(a, b, contents)]
    for path in sorted(a.files.keys() | b.files.keys(), key=_order):
        found += [_explained(one, owners) for one in _path(path, a, b, contents)]
    found = _compiled(found)
    found += _hidden(a, b)
    return found + _elsewhere(a, b, {(one + 1, other + 1) for one, other in paired})


def wanted(a: LayerSum, b: LayerSum) -> set[Digest]:
    """Return the digests of the contents that `file_differences` asks for."""
    found: set[Digest] = set()
    for path in a.files.keys() | b.files.keys():
        mine, theirs = a.files.get(path), b.files.get(path)
        one_sided = mine is None or theirs is None
        if one_sided and not (path.endswith(".dist-info/RECORD") or is_package_database(path)):
            continue
        if mine and theirs and mine.file.digest == theirs.file.digest:
            continue
        for placed in (mine, theirs):
            if placed and placed.file.digest and is_telling(path, placed.file.entry.size):
                found.add(placed.file.digest)
    return found


def _path(path: str, a: LayerSum, b: LayerSum, contents: Contents) -> list[Difference]:
    mine, theirs = a.files.get(path), b.files.get(path)
    if mine is None or theirs is None:
        return [_alone(path, mine, theirs, is_whole=(b if mine else a).is_whole)]
    if mine.file == theirs.file and mine.file.entry.kind != "hardlink":
        return []
    old, new = a.resolved(mine), b.resolved(theirs)
    if old.file.entry.kind != new.file.entry.kind:
        kinds = old.file.entry.kind, new.file.entry.kind
        return [_both("type changed", path, (mine, theirs), words=kinds)]
    found = [_both(cause, path, (mine, theirs), words=(was, now)) for cause, was, now in _metadata(old, new)]
    if mine.file.entry.kind != theirs.file.entry.kind:
        words = _link(mine), _link(theirs)
        found.append(_both("hard link", path, (mine, theirs), words=words))
    if old.file.digest != new.file.digest:
        found.append(_content(path, (mine, theirs), old, new, contents))
    if not found and mine.file.entry.target != theirs.file.entry.target:
        words = _link(mine), _link(theirs)
        found.append(_both("hard link", path, (mine, theirs), words=words))
    if not found and old.file.mtime != new.file.mtime:
        words = when(old.file.mtime), when(new.file.mtime)
        found.append(_both("mtime only", path, (mine, theirs), words=words))
    return found


def _metadata(old: Placed, new: Placed) -> Iterator[tuple[Cause, str, str]]:
    return metadata_causes(old.file.entry, new.file.entry)


def _content(path: str, pair: tuple[Placed, Placed], old: Placed, new: Placed, contents: Contents) -> Difference:
    sizes = old.file.entry.size, new.file.entry.size
    digests = old.file.digest, new.file.digest
    cause: Cause = "contents"
    detail = f"{sizes[0]} bytes → {sizes[1]} bytes" if sizes[0] != sizes[1] else f"{sizes[0]} bytes each"
    if all(digest and is_telling(path, size) for digest, size in zip(digests, sizes, strict=True)):
        mine, theirs = (contents(digest) if digest else None for digest in digests)
        if mine is not None and theirs is not None:
            cause, detail = content_cause(path, mine, theirs)
    if is_log_or_cache(path):
        cause = "log or cache file"
    elif is_installer_note(path):
        cause = "installer note"
    return replace(_both(cause, path, pair, detail=detail), digests=digests)


def _alone(path: str, mine: Placed | None, theirs: Placed | None, *, is_whole: bool) -> Difference:
    cause: Cause = "file only in one"
    if is_log_or_cache(path):
        cause = "log or cache file"
    elif is_installer_note(path):
        cause = "installer note"
    elif source_of(path):
        cause = "bytecode"
    there = mine or theirs
    kind = there.file.entry.kind if there else ""
    detail = f"a {kind} in {'A' if mine else 'B'} only"
    if kind == "directory" and not is_whole:
        # Whoever writes into a directory writes its entry, too, and not every builder does.
        detail = f"{detail}, unless a layer that both have brings it"
    return Difference(
        cause=cause,
        kind="file",
        place=path,
        old=kind if mine else None,
        new=kind if theirs else None,
        detail=detail,
        layers=(mine.layer if mine else None, theirs.layer if theirs else None),
        digests=(mine.file.digest if mine else None, theirs.file.digest if theirs else None),
    )


def _both(
    cause: Cause,
    path: str,
    pair: tuple[Placed, Placed],
    *,
    words: tuple[str | None, str | None] = (None, None),
    detail: str = "",
) -> Difference:
    return Difference(
        cause=cause,
        kind="file",
        place=path,
        old=words[0],
        new=words[1],
        detail=detail,
        layers=(pair[0].layer, pair[1].layer),
    )


def _explained(one: Difference, owners: Owners) -> Difference:
    """Return *one* as part of the distribution that differs, if its path belongs to one."""
    owner = owners.of(one.place) if one.cause in _OF_A_PACKAGE else None
    if owner is None:
        return one
    versions = " → ".join(version or "nothing" for version in (owner.old, owner.new))
    return replace(one, cause=owner.cause, detail=f"part of {owner.place} {versions}")


def _compiled(found: list[Difference]) -> list[Difference]:
    """Return *found* with a word at bytecode that differs because its source does."""
    sources = {one.place for one in found if one.kind == "file" and one.digests != (None, None)}
    return [
        replace(one, detail="its source differs, too")
        if one.cause == "bytecode" and source_of(one.place) in sources
        else one
        for one in found
    ]


def _hidden(a: LayerSum, b: LayerSum) -> list[Difference]:
    return [
        Difference(
            cause="whiteout",
            kind="file",
            place=path.rstrip("/"),
            old="removed" if path in a.hidden else None,
            new="removed" if path in b.hidden else None,
            detail=f"{'A' if path in a.hidden else 'B'} removes {'what is in it' if path.endswith('/') else 'it'}",
            layers=(a.hidden.get(path), b.hidden.get(path)),
        )
        for path in sorted(a.hidden.keys() ^ b.hidden.keys(), key=_order)
    ]


def _elsewhere(a: LayerSum, b: LayerSum, paired: Collection[tuple[int, int]]) -> list[Difference]:
    """Return the files that stand in layers which do not stand for one another, and are the same."""
    if not paired:
        return []
    return [
        replace(_both("other layer", path, (mine, theirs)), detail=f"layer {mine.layer} → layer {theirs.layer}")
        for path, mine in sorted(a.files.items(), key=lambda item: _order(item[0]))
        if (theirs := b.files.get(path)) is not None
        and (mine.layer, theirs.layer) not in paired
        and mine.file.entry.kind != "directory"
        and (mine.file.entry, mine.file.digest) == (theirs.file.entry, theirs.file.digest)
    ]


def _link(placed: Placed) -> str:
    entry = placed.file.entry
    return f"a hard link to {entry.target}" if entry.kind == "hardlink" else "a copy"


def _order(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
