"""An image as a comparison sees it: documents, and the entries of the layers that had to be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reprobuild.canonical import Digest
from reprobuild.image.index import IndexedFile
from reprobuild.oci.types import Descriptor, ImageConfig, Manifest

__all__ = ["ImageView"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    """One platform's image: its manifest's descriptor, its documents as read and as JSON, and entries by diffID.

    ``layers`` lacks layers that an image it is compared with has at the same place.
    """

    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig
    manifest_json: Mapping[str, Any]
    config_json: Mapping[str, Any]
    layers: Mapping[Digest, Sequence[IndexedFile]] = field(default_factory=dict)
