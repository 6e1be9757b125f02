"""Fragments → the layers of an image, and layers → the image: what is left to do once every wheel is a fragment."""

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from reprobuild.builder.base import stored_manifest
from reprobuild.builder.bytecode import bytecode_key
from reprobuild.builder.connector import ConnectorFile
from reprobuild.builder.fragment import Fragment, fragment_key, make_fragment, parse_fragment
from reprobuild.builder.image import assemble_image
from reprobuild.builder.layer import Members, join
from reprobuild.builder.plan import remember
from reprobuild.builder.setup import folders, setup_entries
from reprobuild.builder.site import base_links, site_of
from reprobuild.builder.tar import archive
from reprobuild.builder.tree import Entry, in_order, regular_file, resolve, symlink
from reprobuild.canonical import Digest
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer
from reprobuild.lockfile import Wheel
from reprobuild.oci.types import Descriptor
from reprobuild.store import CHUNK, Store, machine_errors

if TYPE_CHECKING:
    from reprobuild.hooks.container import ContainerConfig

__all__ = [
    "NamedLayer",
    "connector_layer",
    "keep_image",
    "key_of",
    "keys_of",
    "setup_layer",
    "stored_fragment",
    "wheel_layers",
    "wheels_layer",
]

NamedLayer = tuple[RootLayer, str]
"""A layer, and the word for it in the image's history."""


def key_of(wheel: Wheel, derivation: Derivation) -> Digest:
    """Return the key of the fragment that *wheel* becomes in *derivation*."""
    site = site_of(derivation.base, derivation.platform)
    return fragment_key(wheel, site, epoch=derivation.epoch, compression=derivation.compression)


_PARSED: "WeakKeyDictionary[Store, dict[Digest, Fragment]]" = WeakKeyDictionary()
"""Records that were read before: all images of a fleet ask for the same few."""
_SETUPS: "WeakKeyDictionary[Store, dict[Hashable, RootLayer]]" = WeakKeyDictionary()
"""Setup layers that were made before, by all that is in them: a fleet has one or two."""


def stored_fragment(store: Store, key: Digest) -> Fragment | None:
    """Return the fragment under *key* if record and blob are there."""
    known = _PARSED.setdefault(store, {})
    if (fragment := known.get(key)) is None:
        record = store.record("fragment", key)
        if record is None:
            return None
        try:
            fragment = known[key] = parse_fragment(record)
        except ContentError:
            return None
    return fragment if store.has(fragment.blob, fragment.size) else None


def keep_image(
    derivation: Derivation,
    key: Digest,
    layers: Sequence[NamedLayer],
    store: Store,
    *,
    config: "ContainerConfig | None" = None,
) -> Descriptor:
    """Put the image of *derivation*, its base with *layers*, into *store* under *key*; return its manifest.

    *config* is how it is started where hooks have a say in that.
    """
    base, base_config = stored_manifest(derivation.base, derivation.platform, store)
    document, manifest = assemble_image(derivation, base, base_config, layers, config=config)
    store.add(document.data)
    store.add(manifest.data)
    remember(key, manifest.descriptor, len(base.layers), store)
    return manifest.descriptor


def setup_layer(derivation: Derivation, store: Store) -> NamedLayer:
    """Return the layer that makes the base ready for wheels."""
    entries = tuple(setup_entries(derivation))
    made, key = _SETUPS.setdefault(store, {}), (derivation.epoch, derivation.compression, entries)
    if (layer := made.get(key)) is None or not store.has(layer.descriptor.digest, layer.descriptor.size):
        tar = archive(((entry, [content] if content else []) for entry, content in entries), epoch=derivation.epoch)
        fragment = make_fragment(tar, store, derivation.compression)
        layer = made[key] = join([fragment], store, derivation.compression)
    return layer, "base setup"


def wheel_layers(derivation: Derivation, store: Store) -> list[NamedLayer]:
    """Return the layers of the wheels of *derivation*, whose fragments are in the store."""
    named = derivation.names_all
    return [(wheels_layer(group, derivation, store), _word(group, named=named)) for group in derivation.layered]


def _word(group: Sequence[Wheel], *, named: bool) -> str:
    """Return what the history of an image calls the layer of *group*."""
    if len(group) == 1:
        return f"wheel {group[0].file}"
    return f"wheels {' '.join(wheel.file for wheel in group)}" if named else f"{len(group)} wheels"


def wheels_layer(
    group: Sequence[Wheel], derivation: Derivation, store: Store, members: Members | None = None
) -> RootLayer:
    """Return the layer of the wheels *group*, whose fragments are in the store; *members* reads them."""
    fragments = []
    for wheel in group:
        for key in keys_of(wheel, derivation):
            fragment = stored_fragment(store, key)
            if fragment is None:
                raise ContentError(f"the fragment of {wheel.file} has left the store", hint="run the command again")
            # A wheel without modules has no bytecode.
            fragments += [fragment] if fragment.members else []
    return join(fragments, store, derivation.compression, members, once=derivation.names_once)


def keys_of(wheel: Wheel, derivation: Derivation) -> tuple[Digest, ...]:
    """Return the keys of all fragments that *wheel* becomes: itself, and its bytecode."""
    own = key_of(wheel, derivation)
    return (own,) if derivation.bytecode == "none" else (own, bytecode_key(wheel, derivation))


def connector_layer(derivation: Derivation, store: Store) -> NamedLayer:
    """Return the layer of the connector's own files, which always holds its workdir."""
    links = base_links(derivation.base, derivation.platform)
    workdir = resolve(derivation.workdir.strip("/"), links)
    files = {resolve(file.path, links): file for file in derivation.files}
    entries = {path: _entry(path, file) for path, file in files.items()}
    made = folders([*files, f"{workdir}/x"] if workdir else files, derivation.base_platform.directories)
    entries |= {entry.path: entry for entry in made}
    ordered = in_order(entries.values())
    tar = archive(((entry, _content(files.get(entry.path))) for entry in ordered), epoch=derivation.epoch)
    layer = join([make_fragment(tar, store, derivation.compression)], store, derivation.compression)
    return layer, f"connector {derivation.connector}"


def _entry(path: str, file: ConnectorFile) -> Entry:
    if file.target:
        return symlink(path, file.target)
    return regular_file(path, file.size, executable=file.executable)


def _content(file: ConnectorFile | None) -> Iterator[bytes]:
    """Yield a connector file's bytes; it may not have changed since the derivation named its digest."""
    if file is None or file.target:
        return
    found = hashlib.sha256()
    with machine_errors(file.source), file.source.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            found.update(chunk)
            yield chunk
    if "sha256:" + found.hexdigest() != file.digest:
        raise ContentError("changed while it was read", where=str(file.source), hint="run the command again")
