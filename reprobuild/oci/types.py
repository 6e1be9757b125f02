"""Descriptors, platforms, manifests, indexes and configs (OCI image-spec v1.1), read with suspicion.

Reading accepts Docker's schema 2 media types as well as OCI's; writing uses OCI's alone, with every media
type explicit. All values are frozen; ``parse_*`` take bytes from anywhere and raise ContentError with the
place; ``to_json`` gives the mapping that ``canonical_json`` turns into the bytes whose digest is the identity.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reprobuild.canonical import Digest, parse_digest, parse_json
from reprobuild.errors import ContentError, SpecificationError

__all__ = [
    "CONFIG",
    "INDEX",
    "INDEX_TYPES",
    "LAYER_GZIP",
    "LAYER_TAR",
    "LAYER_ZSTD",
    "MANIFEST",
    "MANIFEST_TYPES",
    "Descriptor",
    "ImageConfig",
    "Index",
    "Manifest",
    "Platform",
    "oci_media_type",
    "parse_config",
    "parse_index",
    "parse_manifest",
    "parse_platform",
]

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = LAYER_TAR + "+gzip"
LAYER_ZSTD = LAYER_TAR + "+zstd"

_DOCKER = {
    "application/vnd.docker.distribution.manifest.list.v2+json": INDEX,
    "application/vnd.docker.distribution.manifest.v2+json": MANIFEST,
    "application/vnd.docker.container.image.v1+json": CONFIG,
    "application/vnd.docker.image.rootfs.diff.tar": LAYER_TAR,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER_GZIP,
}
INDEX_TYPES = frozenset({INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"})
MANIFEST_TYPES = frozenset({MANIFEST, "application/vnd.docker.distribution.manifest.v2+json"})


def oci_media_type(media_type: str) -> str:
    """Return OCI's name for *media_type*; the bytes that it describes are the same."""
    return _DOCKER.get(media_type, media_type)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Platform:
    """Where an image runs, in Go's words: ``linux``, ``amd64``, and for arm64 perhaps ``v8``."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def satisfies(self, wanted: "Platform") -> bool:
        """Say whether an image for this platform serves *wanted*; arm64 and arm64/v8 are one platform."""
        mine, theirs = (p.variant or ("v8" if p.architecture == "arm64" else "") for p in (self, wanted))
        return (self.os, self.architecture, mine) == (wanted.os, wanted.architecture, theirs)

    def to_json(self) -> dict[str, str]:
        """Return the ``platform`` object of a descriptor."""
        value = {"architecture": self.architecture, "os": self.os}
        return value | {"variant": self.variant} if self.variant else value


def parse_platform(text: str, *, where: str | None = None) -> Platform:
    """Return the platform that ``os/architecture[/variant]`` names; raise SpecificationError otherwise."""
    parts = text.split("/")
    if len(parts) not in {2, 3} or not all(part.isalnum() and part == part.lower() for part in parts):
        raise SpecificationError(
            f"not a platform: {text!r}", where=where, hint='write it like "linux/amd64" or "linux/arm64"'
        )
    return Platform(os=parts[0], architecture=parts[1], variant=parts[2] if len(parts) == 3 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What stands for a blob: media type, sha256 digest, size in bytes.

    ``artifact_type`` says what a manifest holds that is no image, such as a signature.
    """

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the descriptor object; empty members are left out."""
        value: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        if self.platform is not None:
            value["platform"] = self.platform.to_json()
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One platform's image: the descriptors of its config and of its layers, lowest first.

    Or, with an ``artifact_type``, something else; with a ``subject`` it refers to that manifest or index.
    """

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    subject: Descriptor | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the manifest object in OCI's media types; empty members are left out."""
        value: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.config.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
        }
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        if self.subject is not None:
            value["subject"] = self.subject.to_json()
        return value | {"annotations": dict(self.annotations)} if self.annotations else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One image for several platforms, or the contents of an image layout."""

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the index object in OCI's media types."""
        value: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [manifest.to_json() for manifest in self.manifests],
        }
        return value | {"annotations": dict(self.annotations)} if self.annotations else value


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What an image config says: where it runs, how it is started, and its layers' diffIDs, lowest first.

    ``config`` holds the members of the ``config`` object as they stand (Env, Entrypoint, User, …).
    """

    platform: Platform
    config: Mapping[str, Any]
    diff_ids: tuple[Digest, ...]
    history: tuple[Mapping[str, Any], ...] = ()
    created: str | None = None

    @property
    def env(self) -> dict[str, str]:
        """The environment, in the image's order; a value may hold ``=`` and newlines."""
        pairs = (item.partition("=") for item in self.config.get("Env") or ())
        return {name: value for name, _, value in pairs}

    def to_json(self) -> dict[str, Any]:
        """Return the image config object."""
        value: dict[str, Any] = {
            **self.platform.to_json(),
            "config": dict(self.config),
            "rootfs": {"type": "layers", "diff_ids": list(self.diff_ids)},
            "history": [dict(entry) for entry in self.history],
        }
        return value | {"created": self.created} if self.created else value


def parse_manifest(data: bytes, *, where: str | None = None) -> Manifest:
    """Return the manifest in *data*, OCI's or Docker's schema 2."""
    value = _document(data, MANIFEST_TYPES, where)
    layers = tuple(_descriptor(item, where) for item in _list(value, "layers", where))
    return Manifest(
        config=_descriptor(value.get("config"), where),
        layers=layers,
        annotations=_strings(value, "annotations", where),
        artifact_type=_string(value, "artifactType", where),
        subject=_descriptor(value["subject"], where) if value.get("subject") is not None else None,
    )


def parse_index(data: bytes, *, where: str | None = None) -> Index:
    """Return the index in *data*, OCI's or Docker's manifest list."""
    value = _document(data, INDEX_TYPES, where)
    manifests = tuple(_descriptor(item, where) for item in _list(value, "manifests", where))
    return Index(manifests=manifests, annotations=_strings(value, "annotations", where))


def parse_config(data: bytes, *, where: str | None = None) -> ImageConfig:
    """Return the image config in *data*."""
    value = parse_json(data, where=where)
    rootfs, config = value.get("rootfs"), value.get("config") or {}
    if not isinstance(rootfs, dict) or not isinstance(config, dict):
        raise ContentError("an image config needs the objects rootfs and config", where=where)
    env = config.get("Env") or []
    if not isinstance(env, list) or not all(isinstance(item, str) for item in env):
        raise ContentError("config.Env is not a list of strings", where=where)
    created = value.get("created")
    return ImageConfig(
        platform=_platform(value, where),
        config=config,
        diff_ids=tuple(parse_digest(item, where=where) for item in _list(rootfs, "diff_ids", where)),
        history=tuple(item for item in _list(value, "history", where) if isinstance(item, dict)),
        created=created if isinstance(created, str) else None,
    )


def _document(data: bytes, media_types: frozenset[str], where: str | None) -> dict[str, object]:
    value = parse_json(data, where=where)
    if value.get("schemaVersion") != 2:
        raise ContentError(f"unsupported schemaVersion {value.get('schemaVersion')!r}, expected 2", where=where)
    media_type = value.get("mediaType")
    if media_type is not None and media_type not in media_types:
        raise ContentError(f"unexpected mediaType {str(media_type)[:100]!r}", where=where)
    return value


def _descriptor(value: object, where: str | None) -> Descriptor:
    if not isinstance(value, dict):
        raise ContentError("a descriptor is missing or not an object", where=where)
    size, media_type, platform = value.get("size"), value.get("mediaType"), value.get("platform")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0 or not isinstance(media_type, str):
        raise ContentError("a descriptor needs a mediaType and a size of 0 or more", where=where)
    return Descriptor(
        media_type=media_type,
        digest=parse_digest(value.get("digest"), where=where),
        size=size,
        platform=_platform(platform, where) if isinstance(platform, dict) else None,
        annotations=_strings(value, "annotations", where),
        artifact_type=_string(value, "artifactType", where),
    )


def _platform(value: Mapping[str, object], where: str | None) -> Platform:
    os, architecture, variant = value.get("os"), value.get("architecture"), value.get("variant") or ""
    if not isinstance(os, str) or not isinstance(architecture, str) or not isinstance(variant, str):
        raise ContentError("os and architecture are missing", where=where)
    return Platform(os=os, architecture=architecture, variant=variant)


def _list(value: Mapping[str, object], key: str, where: str | None) -> list[Any]:
    items = value.get(key)
    if items is None:
        return []
    if not isinstance(items, list):
        raise ContentError(f"{key} is not a list", where=where)
    return items


def _string(value: Mapping[str, object], key: str, where: str | None) -> str:
    text = value.get(key) or ""
    if not isinstance(text, str):
        raise ContentError(f"{key} is not a string", where=where)
    return text


def _strings(value: Mapping[str, object], key: str, where: str | None) -> dict[str, str]:
    items = value.get(key) or {}
    if not isinstance(items, dict) or not all(isinstance(item, str) for item in items.values()):
        raise ContentError(f"{key} is not a mapping of strings", where=where)
    return items
