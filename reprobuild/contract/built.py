"""The contract of a base held against an image that was built on it.

Where nothing was executed, an image can only have lost what its config says otherwise, the pip that it brings along,
and what its own files replace: mostly its layers need not be looked at. Where hooks ran, they are.
"""

from collections.abc import Iterator, Mapping, Sequence

from reprobuild.builder.assembly import wheel_layers
from reprobuild.builder.base import stored_manifest
from reprobuild.builder.outcome import BuiltImage
from reprobuild.builder.plan import PlannedImage
from reprobuild.builder.root import Root
from reprobuild.builder.site import base_links
from reprobuild.builder.tree import parents, resolve
from reprobuild.canonical import Digest
from reprobuild.contract.check import check_image
from reprobuild.contract.facts import Facts, facts_of, wanted_files
from reprobuild.contract.finding import Finding
from reprobuild.contract.verdict import broken, unchecked
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer, hidden_paths
from reprobuild.image.tree import ImageTree, Node
from reprobuild.lockfile import normal_name
from reprobuild.oci.types import ImageConfig, parse_config, parse_manifest
from reprobuild.progress import Progress
from reprobuild.store import Store
from reprobuild.workspace import BaseSpec
from reprobuild.workspace.expect import Expectations

__all__ = ["check_built", "require_kept"]

_LARGEST = 8 * 1024**2
"""Bytes of a file whose contents are asked for."""
_INFO = ".dist-info"


def require_kept(
    planned: Sequence[PlannedImage],
    built: Sequence[BuiltImage],
    bases: Mapping[str, BaseSpec],
    store: Store,
    progress: Progress,
) -> None:
    """Raise ContentError if an image of *built*, made from its like in *planned* just now, breaks its base's contract.

    Blocking. The store then forgets such an image, so that the next build looks again. What could not be checked is
    a warning.
    """
    faults = []
    for plan, image in zip(planned, built, strict=True):
        expectations = bases[plan.derivation.base.name].expect
        if expectations is None or image.cached:
            continue
        findings = {image.platform: check_built(plan.derivation, image.manifest.digest, expectations, store)}
        for line in unchecked(findings):
            progress.warn(f"{image.connector}, the contract of its base: {line}")
        if lines := broken(findings):
            faults += [f"  {image.connector} ({image.platform}): {line}" for line in lines]
            store.discard(image.manifest.digest)
    if faults:
        raise ContentError(
            "what was built breaks promises of its base image:\n" + "\n".join(faults),
            hint="change the connector's env, requirements or hooks, or what is expected of the base image",
        )


def check_built(
    derivation: Derivation, manifest: Digest, expectations: Expectations, store: Store
) -> tuple[Finding, ...]:
    """Return what became of every check of *expectations* that the image *manifest* of *derivation* could break.

    Manifest and config are in *store*. Blocking where hooks ran: the layers are then read, the first time.
    """
    config, layers = _image(manifest, store)
    facts = facts_of(
        config,
        timezone=derivation.timezone,
        python=derivation.base.python,
        pip=_locked_pip(derivation) or derivation.base.pip,
    )
    if not derivation.hooks and not _touches(derivation, expectations, facts, store):
        return check_image(expectations, facts)
    if missing := [layer for layer in layers if not store.has(layer.descriptor.digest, layer.descriptor.size)]:
        found = f"{len(missing)} of its layers are not in the store"
        return (*check_image(expectations, facts), Finding(check="files", outcome="unchecked", found=found))
    return _with_files(derivation, config, layers, expectations, store)


def _with_files(
    derivation: Derivation,
    config: ImageConfig,
    layers: Sequence[RootLayer],
    expectations: Expectations,
    store: Store,
) -> tuple[Finding, ...]:
    """Return what became of every check, files included.

    Wheels are most of the files and seldom matter: they are looked at where something fails without them.
    """
    wheels = _wheel_layers(derivation, store)
    few = [layer for layer in layers if layer.diff_id not in wheels]
    findings = check_image(expectations, _facts(derivation, config, few, expectations, store))
    if wheels and any(one.outcome == "failed" for one in findings):
        return check_image(expectations, _facts(derivation, config, layers, expectations, store))
    return findings


def _wheel_layers(derivation: Derivation, store: Store) -> set[Digest]:
    """Return the diffIDs of the layers of wheels; none if the store does not know any more which they are."""
    try:
        return {layer.diff_id for layer, _ in wheel_layers(derivation, store)}
    except ContentError:
        return set()


def _facts(
    derivation: Derivation,
    config: ImageConfig,
    layers: Sequence[RootLayer],
    expectations: Expectations,
    store: Store,
) -> Facts:
    root = Root(layers, store, where=f"{derivation.connector} ({derivation.platform})")
    _keep_contents(root, expectations, store)
    count = len(stored_manifest(derivation.base, derivation.platform, store)[0].layers)
    return facts_of(
        config,
        tree=root.tree,
        python=_python(derivation, root.tree, count),
        pip=_pip(derivation, root.tree, layers, store),
    )


def _keep_contents(root: Root, expectations: Expectations, store: Store) -> None:
    """Give the tree of *root* the contents of the files that *expectations* ask for."""
    found = dict(_wanted(root.tree, expectations))
    root.store_contents(found)
    for path, node in found.items():
        if node.digest is not None:
            root.tree.place(path, node._replace(content=store.read(node.digest)))


def _wanted(tree: ImageTree, expectations: Expectations) -> Iterator[tuple[str, Node]]:
    """Yield the files that *expectations* ask for by their stored paths; raise ContentError for one too large."""
    for path in wanted_files(expectations):
        found = tree.find(path)
        names = tree.names(found.path) if found is not None else ()
        for stored in (path, *(f"{path}/{name}" for name in names)):
            inner = tree.find(stored)
            if inner is not None and inner.node.kind == "file":
                if inner.node.size > _LARGEST:
                    raise ContentError(
                        f"{inner.node.size} bytes, more than {_LARGEST} are not read", where=f"/{inner.path}"
                    )
                yield inner.path, inner.node


def _image(manifest: Digest, store: Store) -> tuple[ImageConfig, tuple[RootLayer, ...]]:
    parsed = parse_manifest(store.read(manifest))
    config = parse_config(store.read(parsed.config.digest))
    layers = zip(parsed.layers, config.diff_ids, strict=True)
    return config, tuple(RootLayer(descriptor=layer, diff_id=diff_id) for layer, diff_id in layers)


def _locked_pip(derivation: Derivation) -> str | None:
    """Return the version of the pip that is installed as a wheel, None if none is."""
    wheels = (wheel.file for wheel in derivation.installed if wheel.file.lower().startswith("pip-"))
    return next((file.split("-")[1] for file in wheels), None)


def _touches(derivation: Derivation, expectations: Expectations, facts: Facts, store: Store) -> bool:
    """Say whether the connector's own files, or its PATH, could make a difference to *expectations*."""
    _, config = stored_manifest(derivation.base, derivation.platform, store)
    before = facts_of(config).path
    if expectations.commands and not {*before} <= {*facts.path}:
        return True
    links = base_links(derivation.base, derivation.platform)
    files = {resolve(file.path, links) for file in derivation.files}
    commands = (f"{folder}/{command}" for folder in (*before, *facts.path) for command in expectations.commands)
    paths = (*expectations.readable, *expectations.writable, *expectations.not_writable, *commands)
    counting = {resolve(path.lstrip("/"), links) for path in (*wanted_files(expectations), *paths)}
    return not files.isdisjoint({*counting, *(above for path in counting for above in parents(path))})


def _python(derivation: Derivation, tree: ImageTree, base_layers: int) -> str | None:
    """Return the version of the base's Python, None if its executable is not any more what the base has."""
    found = tree.find(derivation.base.interpreter.executable)
    return derivation.base.python if found is not None and found.node.layer < base_layers else None


def _pip(derivation: Derivation, tree: ImageTree, layers: Sequence[RootLayer], store: Store) -> str | None:
    """Return the version of pip in *tree*, made of *layers*, of which those of wheels may be left out."""
    interpreter, locked = derivation.base.interpreter, _locked_pip(derivation)
    both = (interpreter.purelib, interpreter.platlib)
    sites = [found.path if (found := tree.find(site)) is not None else site.strip("/") for site in both]
    for site in sites:
        for name in tree.names(site):
            if name.startswith("pip-") and name.endswith(_INFO):
                return name.removesuffix(_INFO).split("-")[1]
    if locked is None:
        removable = any(normal_name(item.name) == "pip" for item in derivation.base_platform.distributions)
        return None if removable else derivation.base.pip
    hidden = {f"{site}/pip-{locked}{_INFO}" for site in sites}
    hidden |= {above for path in hidden for above in parents(path)}
    where = derivation.connector
    gone = {path for layer in layers for path in hidden_paths(layer, store, where=where)}
    # Perhaps of the base's own, which had the same version: then the wheels are looked at, too.
    return locked if hidden.isdisjoint(gone) else None
