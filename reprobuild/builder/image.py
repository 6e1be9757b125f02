"""Image config, manifest and index, as bytes: the last pure step, where the digest is decided."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reprobuild.canonical import canonical_json, digest_of
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError, LockError
from reprobuild.oci.types import (
    CONFIG,
    INDEX,
    MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
    oci_media_type,
)

if TYPE_CHECKING:
    # A build with nothing to do makes an index and no layer.
    from reprobuild.hooks.container import ContainerConfig
    from reprobuild.image.index import RootLayer

__all__ = ["MOST_LAYERS", "Document", "assemble_image", "assemble_index"]

MOST_LAYERS = 127
"""Where overlay mounts end on common kernels and engines."""

_OF_THE_BUILD_MACHINE = ("Hostname", "Domainname", "Image", "ArgsEscaped", "Cmd")
"""Members of a base's config that say how it was made, or that our entrypoint replaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The bytes of a config, manifest or index, and the descriptor that stands for them."""

    data: bytes
    descriptor: Descriptor


def assemble_image(
    derivation: Derivation,
    base: Manifest,
    base_config: ImageConfig,
    layers: Sequence[tuple["RootLayer", str]],
    *,
    config: "ContainerConfig | None" = None,
) -> tuple[Document, Document]:
    """Return the config and the manifest of the image that has *layers*, each with a word for its history.

    Base layers are taken as they are, under OCI's media types. *config*, where hooks have a say in it, is how the
    image is started, in place of what *derivation* says.
    """
    count = len(base.layers) + len(layers)
    if count > MOST_LAYERS:
        raise LockError(
            f"{count} layers, more than {MOST_LAYERS} cannot be mounted",
            where=derivation.connector,
            hint="choose a base image with fewer layers",
        )
    if len(base_config.diff_ids) != len(base.layers):
        raise ContentError(
            "the base's config and manifest differ in their number of layers", where=derivation.base.image
        )
    created = _time(derivation.epoch)
    image_config = ImageConfig(
        platform=base_config.platform,
        config=_runtime(derivation, base_config) if config is None else _runtime_of(config, base_config),
        diff_ids=(*base_config.diff_ids, *(layer.diff_id for layer, _ in layers)),
        history=(
            *base_config.history,
            *({"created": created, "created_by": f"reprobuild {word}"} for _, word in layers),
        ),
        created=created,
    )
    config_document = _document(image_config.to_json(), CONFIG)
    manifest = Manifest(
        config=config_document.descriptor,
        layers=(*_base_layers(base), *(layer.descriptor for layer, _ in layers)),
        annotations={**derivation.annotations, "org.opencontainers.image.created": created},
    )
    return config_document, _document(manifest.to_json(), MANIFEST)


def assemble_index(
    manifests: Iterable[tuple[Platform, Descriptor]], annotations: Mapping[str, str], *, epoch: int
) -> Document:
    """Return the index of one image's *manifests*, sorted by platform."""
    index = Index(
        manifests=tuple(
            Descriptor(media_type=MANIFEST, digest=found.digest, size=found.size, platform=platform)
            for platform, found in sorted(manifests, key=lambda pair: str(pair[0]))
        ),
        annotations={**annotations, "org.opencontainers.image.created": _time(epoch)},
    )
    return _document(index.to_json(), INDEX)


def _base_layers(base: Manifest) -> list[Descriptor]:
    return [
        Descriptor(media_type=oci_media_type(layer.media_type), digest=layer.digest, size=layer.size)
        for layer in base.layers
    ]


def _runtime(derivation: Derivation, base: ImageConfig) -> dict[str, Any]:
    """Return how the image is started: the base's settings with the derivation's on top."""
    kept = _kept(base)
    env = {**base.env, **derivation.env}
    labels = {**(kept.get("Labels") or {}), **derivation.labels}
    kept["Env"] = [f"{name}={value}" for name, value in env.items()]
    kept["Entrypoint"] = list(derivation.entrypoint)
    kept["WorkingDir"] = derivation.workdir
    if labels:
        kept["Labels"] = labels
    if derivation.user is not None:
        kept["User"] = derivation.user
    return kept


def _runtime_of(config: "ContainerConfig", base: ImageConfig) -> dict[str, Any]:
    """Return how the image is started: the base's settings with *config*'s in their place."""
    kept = _kept(base)
    chosen = {
        "Env": [f"{name}={value}" for name, value in config.env.items()],
        "Entrypoint": list(config.entrypoint),
        "WorkingDir": config.workdir,
        "Labels": dict(config.labels),
        "User": config.user,
    }
    for key, value in chosen.items():
        kept.pop(key, None)
        if value or key in {"Env", "Entrypoint"}:
            kept[key] = value
    return kept


def _kept(base: ImageConfig) -> dict[str, Any]:
    """Return the base's settings but those that say how it was made."""
    return {key: value for key, value in base.config.items() if key not in _OF_THE_BUILD_MACHINE and value is not None}


def _document(value: Mapping[str, Any], media_type: str) -> Document:
    data = canonical_json(value)
    return Document(data=data, descriptor=Descriptor(media_type=media_type, digest=digest_of(data), size=len(data)))


def _time(epoch: int) -> str:
    """Return *epoch*, seconds since 1970, as RFC 3339 in UTC."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
