"""Two images' configs and manifests → where they differ, member by member. Layers' contents are looked at elsewhere."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reprobuild.oci.types import Descriptor, oci_media_type
from reprobuild.verify.cause import Cause
from reprobuild.verify.difference import Difference
from reprobuild.verify.image_view import ImageView

__all__ = ["annotation_differences", "config_differences", "manifest_differences", "media_type_difference", "shown"]

_LONGEST = 200
_BASE = ("org.opencontainers.image.base.digest", "org.opencontainers.image.base.name")
_NAMED: dict[str, Cause] = {"Entrypoint": "entrypoint", "Cmd": "command", "User": "user", "WorkingDir": "workdir"}
_OWN = frozenset({"Env", "Labels", *_NAMED})
_READ = frozenset({"config", "rootfs", "history", "created", "os", "architecture", "variant"})


def config_differences(a: ImageView, b: ImageView) -> Iterator[Difference]:
    """Yield how the configs of *a* and *b* differ; *document form* if their bytes do and nothing else."""
    if a.manifest.config.digest == b.manifest.config.digest:
        return
    found = [
        *_platform(a, b),
        *_environment(a, b),
        *_members("config.", a.config.config, b.config.config, _OWN, _NAMED),
        *_strings("config.Labels.", _labels(a), _labels(b), "label"),
        *_members("", a.config_json, b.config_json, _READ, {}),
        *_created(a, b),
        *_history(a.config.history, b.config.history),
    ]
    yield from found
    if not found and a.config.diff_ids == b.config.diff_ids:
        yield _changed("document form", "config", a.manifest.config.digest, b.manifest.config.digest)


def manifest_differences(a: ImageView, b: ImageView) -> Iterator[Difference]:
    """Yield how the manifests of *a* and *b* differ, but for their layers."""
    yield from media_type_difference("manifest", a.descriptor, b.descriptor)
    yield from media_type_difference("config", a.manifest.config, b.manifest.config)
    yield from annotation_differences("manifest", a.manifest.annotations, b.manifest.annotations)
    known = frozenset({"schemaVersion", "mediaType", "config", "layers", "annotations"})
    yield from _members("manifest.", a.manifest_json, b.manifest_json, known, {})


def media_type_difference(place: str, a: Descriptor, b: Descriptor) -> Iterator[Difference]:
    """Yield that *a* and *b* are called by other names, if they are; other formats are another matter."""
    if a.media_type != b.media_type and oci_media_type(a.media_type) == oci_media_type(b.media_type):
        yield _changed("media type", place, a.media_type, b.media_type)


def annotation_differences(place: str, a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Difference]:
    """Yield the annotations of *place* that differ; those that name two base images say that it has moved.

    Most tools name none, and two names of one digest are one image.
    """
    named = _BASE if a.get(_BASE[0]) != b.get(_BASE[0]) else ()
    for key in sorted(a.keys() | b.keys()):
        if a.get(key) != b.get(key):
            cause: Cause = "base moved" if key in named and key in a and key in b else "annotation"
            if key == "org.opencontainers.image.created":
                cause = "created time"
            yield _changed(cause, f"{place} annotation {key}", a.get(key), b.get(key))


def shown(value: object) -> str | None:
    """Return *value* of a JSON document in short; None for what is absent."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _platform(a: ImageView, b: ImageView) -> Iterator[Difference]:
    if a.config.platform != b.config.platform:
        yield _changed("platform", "config", str(a.config.platform), str(b.config.platform))


def _environment(a: ImageView, b: ImageView) -> Iterator[Difference]:
    mine, theirs = a.config.env, b.config.env
    yield from _strings("config.Env.", mine, theirs, "environment")
    if mine == theirs and (a.config.config.get("Env") or []) != (b.config.config.get("Env") or []):
        yield Difference(cause="environment", kind="config", place="config.Env", detail="the same in another order")


def _labels(view: ImageView) -> Mapping[str, Any]:
    labels = view.config.config.get("Labels")
    return labels if isinstance(labels, dict) else {}


def _strings(prefix: str, a: Mapping[str, Any], b: Mapping[str, Any], cause: Cause) -> Iterator[Difference]:
    for name in sorted(a.keys() | b.keys()):
        if a.get(name) != b.get(name):
            yield _changed(cause, f"{prefix}{name}", a.get(name), b.get(name))


def _members(
    prefix: str, a: Mapping[str, Any], b: Mapping[str, Any], apart: frozenset[str], named: Mapping[str, Cause]
) -> Iterator[Difference]:
    """Yield the members that differ, but for those *apart*; an empty one says as much as none."""
    for name in sorted((a.keys() | b.keys()) - (apart - named.keys())):
        old, new = a.get(name) or None, b.get(name) or None
        if old != new:
            yield _changed(named.get(name, "config"), f"{prefix}{name}", old, new)


def _created(a: ImageView, b: ImageView) -> Iterator[Difference]:
    if a.config.created != b.config.created:
        yield _changed("created time", "config.created", a.config.created, b.config.created)


def _history(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    if a == b:
        return
    mine, theirs = ([_timeless(entry) for entry in entries] for entries in (a, b))
    if mine == theirs:
        count = sum(1 for one, other in zip(a, b, strict=True) if one != other)
        detail = f"the times of {count} of {len(a)} entries"
        yield Difference(cause="history", kind="config", place="history", detail=detail)
        return
    place = next((n for n, (one, other) in enumerate(zip(mine, theirs, strict=False)) if one != other), None)
    place = min(len(mine), len(theirs)) if place is None else place
    old, new = (shown(entries[place].get("created_by", "")) if place < len(entries) else None for entries in (a, b))
    yield _changed("history", f"history, entry {place + 1}", old, new)


def _timeless(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "created"}


def _changed(cause: Cause, place: str, old: object, new: object) -> Difference:
    return Difference(cause=cause, kind="config", place=place, old=shown(old), new=shown(new))
