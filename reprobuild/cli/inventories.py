"""What `reprobuild sbom` does: the inventories of an image's platforms, written down or searched."""

import posixpath
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.cli.opening import open_store
from reprobuild.cli.output import plain, say, say_json, tell
from reprobuild.cli.settings import Settings
from reprobuild.errors import SpecificationError

if TYPE_CHECKING:
    from reprobuild.builder.plan import PlannedImage
    from reprobuild.cli.progress import Display
    from reprobuild.oci.types import Descriptor, Platform
    from reprobuild.sbom.component import Component
    from reprobuild.sbom.inventory import Inventory
    from reprobuild.store import Store
    from reprobuild.verify.reading import Origin

__all__ = ["answer", "write_documents"]

_SUFFIX = ".cdx.json"


def write_documents(image: str, platforms: Sequence[str], output: str | None, settings: Settings) -> None:
    """Write the bill of materials of *image* to *output*: a file, or a folder of files; to stdout if it is None.

    Raises SpecificationError if several platforms would have to go into one file.
    """
    from reprobuild.sbom.document import require_library, sbom_document
    from reprobuild.store import replace_file

    require_library()
    found = _inventories(image, platforms, settings)
    folder = output is not None and (output.endswith("/") or (settings.directory / output).is_dir())
    if len(found) > 1 and not folder:
        names = ", ".join(found)
        hint = "name a folder: --output sboms/" if output is not None else "name one, or a folder: --output sboms/"
        raise SpecificationError(f"a bill of materials is for one platform, and there are {names}", hint=hint)
    for platform, inventory in found.items():
        data = sbom_document(inventory)
        if output is None:
            say(data.decode().removesuffix("\n"))
            continue
        path = settings.directory / output
        path = path / file_name(inventory.name, platform) if folder else path
        replace_file(path, data)
        if not settings.quiet:
            tell(plain(f"wrote {path}: {len(inventory.components)} components, {platform}"))


def file_name(name: str, platform: str) -> str:
    """Return the name of the file for the image *name* on *platform*."""
    return f"{posixpath.basename(name)}-{platform.replace('/', '-')}{_SUFFIX}"


def answer(image: str, platforms: Sequence[str], name: str, settings: Settings, *, json: bool) -> int:
    """Print what in *image* is called *name*, with version and paths; return 1 if nothing is."""
    from reprobuild.lockfile import normal_name

    wanted = normal_name(name)
    found = {
        platform: [
            one
            for one in inventory.components
            if fnmatchcase(one.name, name) or fnmatchcase(normal_name(one.name), wanted)
        ]
        for platform, inventory in _inventories(image, platforms, settings).items()
    }
    if json:
        say_json({"found": [_to_json(one, platform) for platform, items in found.items() for one in items]})
    else:
        _print(found)
    return 0 if any(found.values()) else 1


def _print(found: Mapping[str, Sequence["Component"]]) -> None:
    for platform, items in found.items():
        for one in items:
            for path in one.paths or ("",):
                words = [one.name, one.version, f"/{path}" if path else "", platform if len(found) > 1 else ""]
                say(plain("  ".join(filter(None, words))))


def _to_json(one: "Component", platform: str) -> dict[str, object]:
    return {
        "platform": platform,
        "kind": one.kind,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
        "paths": [f"/{path}" for path in one.paths],
    }


def _inventories(image: str, platforms: Sequence[str], settings: Settings) -> dict[str, "Inventory"]:
    """Return the inventories of *image* by platform; what could not be read is a warning."""
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.progress import open_display
    from reprobuild.oci.types import parse_platform

    wanted = [parse_platform(text, where="--platform") for text in platforms]
    store = open_store()
    built = _built(image, platforms, settings)
    with open_display(settings) as display:

        async def work() -> dict[str, "Inventory"]:
            if built:
                return await _of_connector(built, settings, store, display)
            return await _of_reference(image, wanted, settings, store, display)

        found = run_async(work, on_interrupt=display.close)
        for platform, inventory in found.items():
            for text in inventory.unread:
                display.warn(plain(f"{platform}: {text}"))
    return found


def _built(name: str, platforms: Sequence[str], settings: Settings) -> list[tuple["PlannedImage", "Descriptor"]]:
    """Return the images of the connector *name* that have been built; nothing if there is no such connector."""
    from reprobuild.cli.opening import named, open_workspace
    from reprobuild.cli.planning import planned
    from reprobuild.errors import LockError
    from reprobuild.lock_files import read_lock

    if any(mark in name for mark in "/:@"):
        return []
    try:
        workspace = open_workspace(settings)
    except SpecificationError:
        return []
    if name not in workspace.connectors:
        from difflib import get_close_matches

        if get_close_matches(name, workspace.connectors, n=1):
            named(workspace, [name])
        return []
    found = []
    for one in planned(workspace, read_lock(workspace.root, [name]), [name], platforms):
        if one.manifest is None:
            hint = f"run `reprobuild build {name}` first"
            raise LockError(f"not built for {one.derivation.platform}", where=name, hint=hint)
        found.append((one, one.manifest))
    return found


async def _of_connector(
    built: Sequence[tuple["PlannedImage", "Descriptor"]], settings: Settings, store: "Store", display: "Display"
) -> dict[str, "Inventory"]:
    from reprobuild.cli.opening import open_workspace
    from reprobuild.cli.supply import supply_layers
    from reprobuild.sbom.inventory import inventory_of
    from reprobuild.sbom.reading import has_layers, read_image
    from reprobuild.verify.reading import Origin
    from reprobuild.verify.stored import Stored

    found = {}
    for planned, manifest in built:
        derivation = planned.derivation
        if not has_layers(manifest, store):
            await supply_layers((planned,), open_workspace(settings), store, progress=display, offline=False)
        origin = Origin(reference=derivation.connector, source=Stored(manifest, store), kept=False)
        read = await read_image(origin, manifest, store, display)
        found[str(derivation.platform)] = inventory_of(
            read, name=derivation.connector, wheels=derivation.installed, base=derivation.base.image
        )
    return found


async def _of_reference(
    text: str, wanted: Sequence["Platform"], settings: Settings, store: "Store", display: "Display"
) -> dict[str, "Inventory"]:
    from reprobuild.cli.origin import open_origin
    from reprobuild.sbom.inventory import inventory_of
    from reprobuild.sbom.reading import read_image
    from reprobuild.verify.images import view_of

    async with open_origin(text, settings, store, where="REF") as origin:
        view = await view_of(origin, wanted)
        return {
            platform: inventory_of(await read_image(origin, descriptor, store, display), name=_name(origin))
            for platform, descriptor in view.images.items()
        }


def _name(origin: "Origin") -> str:
    """Return what an image is called that says nothing of itself, without paths of this machine."""
    from reprobuild.oci.reference import RegistryReference, parse_reference

    if origin.reference.startswith("store:"):
        return "image"
    reference = parse_reference(origin.reference)
    if isinstance(reference, RegistryReference):
        return f"{reference.host}/{reference.repository}"
    return reference.tag or posixpath.basename(Path(reference.path).as_posix()) or "image"
