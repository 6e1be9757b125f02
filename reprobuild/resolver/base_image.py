"""A base image's reference → what the lock says of it, from its documents and files; nothing is executed.

The reference resolves to an index or to one manifest. Each platform's layers go into the store once and are
read there; what they say must be the same on all platforms, because a connector's lock is.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from reprobuild.canonical import Digest
from reprobuild.contract.facts import is_wanted
from reprobuild.errors import LockError
from reprobuild.gathering import gathered
from reprobuild.image.layers import LayerReader, Selection
from reprobuild.image.tree import ImageTree
from reprobuild.lockfile import BaseImage, BasePlatform
from reprobuild.oci.open import copy_blob
from reprobuild.oci.reference import RegistryReference
from reprobuild.oci.source import Source
from reprobuild.oci.types import Platform
from reprobuild.progress import Progress, Task
from reprobuild.resolver.base_contract import Held, held, is_remembered, remember, require_kept
from reprobuild.resolver.installed import installed_distributions, installed_pip
from reprobuild.resolver.interpreter import Python, find_interpreter, is_kept, is_program
from reprobuild.resolver.platform_image import PlatformImage, platform_images
from reprobuild.resolver.surroundings import check_timezone, directory_links, special_directories
from reprobuild.store import Store

if TYPE_CHECKING:
    from reprobuild.builder.executions import Executions
    from reprobuild.workspace.types import BaseSpec

__all__ = ["resolve_base"]

_DOWNLOADS = 4
"""Layers of one image that are fetched at a time."""


async def resolve_base(
    spec: "BaseSpec",
    platforms: tuple[Platform, ...],
    *,
    source: Source,
    store: Store,
    progress: Progress,
    known: BaseImage | None,
    reread: bool = False,
    executions: "Executions | None" = None,
) -> BaseImage:
    """Return what *spec*'s image is today on *platforms*; ``pip_wheel`` is left None.

    If it is what *known* says and is known to keep *spec*'s contract, its facts are returned unread, unless
    *reread*; a moved tag shows as an ``index`` that differs from *known*'s. What is read is held against the
    contract, with *executions* for what has to be executed. Raises LockError if a platform is missing, has no Python
    that can be told, or differs from the others, if the timezone is not there, and if the contract is broken;
    ContentError for bytes that are not what they are said to be; and what *source* raises. Variables that
    contradict the files are warned of, and what of the contract could not be checked.
    """
    root = await source.resolve()
    if known is not None and not reread and _is_known(known, spec, platforms, root.digest, store):
        return replace(known, name=spec.name, pip_wheel=None)
    images = await platform_images(root, platforms, spec, source, store)
    if executions is not None and isinstance(spec.image, RegistryReference):
        executions.origins.update({image.config.diff_ids: spec.image.at(image.descriptor.digest) for image in images})
    readings = await gathered(
        [partial(_reading, image, spec, source, store, progress) for image in images], limit=len(images)
    )
    for remark in dict.fromkeys(remark for reading in readings for remark in reading.remarks):
        progress.warn(remark)
    base = _agreed(spec, root.digest, dict(zip(platforms, readings, strict=True)))
    contracts = {platform: one.held for platform, one in zip(platforms, readings, strict=True) if one.held}
    if contracts:
        await require_kept(spec, contracts, executions, progress)
        remember(spec, base, store)
    return base


def _is_known(known: BaseImage, spec: "BaseSpec", platforms: tuple[Platform, ...], index: Digest, store: Store) -> bool:
    locked = (known.image, known.timezone, known.index, set(known.platforms))
    return locked == (str(spec.image), spec.timezone, index, set(platforms)) and is_remembered(spec, known, store)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What one platform's files say."""

    python: Python
    pip: str | None
    locked: BasePlatform
    remarks: tuple[str, ...]
    held: Held | None


async def _reading(
    image: PlatformImage, spec: "BaseSpec", source: Source, store: Store, progress: Progress
) -> _Reading:
    tree = await _tree(image, spec, source, store, progress)
    if spec.timezone is not None:
        check_timezone(tree, spec.timezone, where=spec.where)
    return await to_thread.run_sync(_facts, image, spec, tree)


def _facts(image: PlatformImage, spec: "BaseSpec", tree: ImageTree) -> _Reading:
    where = image.where
    python = find_interpreter(tree, image.config, image.platform, where=where)
    pip = installed_pip(tree, python, where=where)
    return _Reading(
        python=python,
        pip=pip,
        locked=BasePlatform(
            manifest=image.descriptor.digest,
            config=image.manifest.config.digest,
            size=image.descriptor.size,
            links=directory_links(tree, python.interpreter, image.config),
            directories=special_directories(tree, python),
            distributions=installed_distributions(tree, python, where=where),
        ),
        remarks=(*python.remarks, *_lies(image, python, pip)),
        held=held(spec, spec.expect, image, tree, python=python.version, pip=pip) if spec.expect else None,
    )


def _lies(image: PlatformImage, python: Python, pip: str | None) -> Iterator[str]:
    """Yield a remark for each variable that claims another version than the files have."""
    for variable, version in (("PYTHON_VERSION", python.version), ("PYTHON_PIP_VERSION", pip)):
        claim = image.config.env.get(variable)
        # "3.11" claims less than "3.11.2", and nothing else.
        if claim and version != claim and not (version or "").startswith(f"{claim}."):
            found = f"its files have {version}" if version else "its files have none"
            yield f"{image.where}: {variable} says {claim[:100]}, {found}; the files are believed"


async def _tree(image: PlatformImage, spec: "BaseSpec", source: Source, store: Store, progress: Progress) -> ImageTree:
    """Read the layers in their order, each as soon as it is there."""
    layers, promised = image.manifest.layers, is_wanted(spec.expect)
    selection = Selection(kept=lambda path: is_kept(path) or promised(path), scanned=is_program)
    reader = LayerReader(store, selection, where=image.where)
    missing = [layer for layer in layers if not store.has(layer.digest, layer.size)]
    fetching = progress.task(f"fetching {image.where}", sum(layer.size for layer in missing)) if missing else None
    reading = progress.task(f"reading {image.where}", sum(layer.size for layer in layers))
    arrived = [anyio.Event() for _ in layers]

    async def fetch(number: int) -> None:
        await copy_blob(source, layers[number], store, task=fetching)
        arrived[number].set()

    async def read_all() -> None:
        for layer, diff_id, there in zip(layers, image.config.diff_ids, arrived, strict=True):
            await there.wait()
            await to_thread.run_sync(partial(reader.read, layer, diff_id, task=reading), abandon_on_cancel=True)

    calls: list[Callable[[], Awaitable[None]]] = [read_all]
    calls += [partial(fetch, number) for number in range(len(layers))]
    await gathered(calls, limit=1 + _DOWNLOADS)
    _finish(fetching, reading)
    return reader.tree


def _finish(*tasks: Task | None) -> None:
    for task in tasks:
        if task is not None:
            task.finish()


def _agreed(spec: "BaseSpec", index: Digest, readings: Mapping[Platform, _Reading]) -> BaseImage:
    """Return the base image whose platforms are *readings*; raise LockError if they are not of one kind."""
    (first, one), *others = readings.items()
    for platform, other in others:
        for what, mine, theirs in (
            ("Python", one.python.version, other.python.version),
            ("pip", one.pip, other.pip),
            ("libc", one.python.libc, other.python.libc),
            *_paths(one, other),
        ):
            if mine != theirs:
                raise LockError(
                    f"{spec.image}: its {what} is {mine or 'missing'} on {first}, {theirs or 'missing'} on {platform}",
                    where=spec.where,
                    hint="use a base image whose platforms have the same files, or lock a base for each platform",
                )
    return BaseImage(
        name=spec.name,
        image=str(spec.image),
        index=index,
        python=one.python.version,
        pip=one.pip,
        libc=one.python.libc,
        interpreter=one.python.interpreter,
        platforms={platform: reading.locked for platform, reading in readings.items()},
        timezone=spec.timezone,
    )


def _paths(one: _Reading, other: _Reading) -> Iterator[tuple[str, str, str]]:
    mine, theirs = one.python.interpreter, other.python.interpreter
    return ((f"path of {key}", getattr(mine, key), getattr(theirs, key)) for key in mine.__slots__)
