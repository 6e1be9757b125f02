"""Images of a few files, put into a store, and their inventories."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from reprobuild.errors import ContentError
from reprobuild.lockfile import Wheel
from reprobuild.oci.types import Descriptor
from reprobuild.progress import Silent
from reprobuild.sbom.component import Component
from reprobuild.sbom.inventory import Inventory, inventory_of
from reprobuild.sbom.reading import read_image
from reprobuild.store import Store
from reprobuild.verify.reading import Origin
from reprobuild.verify.stored import Stored
from tests.resolver.base_images import Files, Image, file, image

__all__ = ["DEBIAN", "SITE", "Unreadable", "inventory", "metadata", "names", "one"]

SITE = "usr/local/lib/python3.11/site-packages"
DEBIAN = file("etc/os-release", b'ID=debian\nVERSION_ID="12"\nNAME="Debian GNU/Linux"\n')


class Unreadable(Stored):
    """A source that has the documents of an image and none of its layers."""

    def stream(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        if "layer" in descriptor.media_type:
            raise ContentError("a layer was read")
        return super().stream(descriptor)


def metadata(name: str, version: str, *lines: str, site: str = SITE) -> Any:
    """Return the metadata of an installed distribution."""
    text = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines, "", "Words."])
    return file(f"{site}/{name.replace('-', '_')}-{version}.dist-info/METADATA", text.encode())


async def inventory(
    store: Store, *layers: Files, built: Image | None = None, wheels: Sequence[Wheel] = (), **more: Any
) -> Inventory:
    """Return the inventory of an image of *layers*, or of *built*."""
    descriptor = replace((built or image(*layers)).add(store), platform=None)
    origin = Origin(reference="test", source=Stored(descriptor, store), kept=False)
    read = await read_image(origin, descriptor, store, Silent())
    return inventory_of(read, wheels=wheels, **{"name": "test", **more})


def names(found: Inventory, kind: str) -> list[tuple[str, str]]:
    return [(one.name, one.version) for one in found.components if one.kind == kind]


def one(found: Inventory, name: str) -> Component:
    (component,) = [one for one in found.components if one.name == name]
    return component
