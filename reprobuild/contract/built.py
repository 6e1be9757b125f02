"""The contract of a base held against an image that was built on it.

Where nothing was executed, an image can only have lost what its config says otherwise, the pip that it brings along,
and what its own files replace: mostly its layers need not be looked at. Where hooks ran, they are.
"""

from collections.abc import Iterator, Mapping, Sequence

from reprobuild.builder.base import stored_manifest
from reprobuild.builder.outcome import BuiltImage
from reprobuild.builder.plan import PlannedImage
from reprobuild.builder.site import base_links
from reprobuild.builder.tree import parents, resolve
from reprobuild.canonical import Digest
from reprobuild.contract.check import check_image
from reprobuild.contract.contents import with_contents
from reprobuild.contract.facts import Facts, facts_of, wanted_files
from reprobuild.contract.finding import Finding
from reprobuild.contract.verdict import broken, unchecked
from reprobuild.derivation import Derivation
from reprobuild.errors import ContentError
from reprobuild.image.index import RootLayer, tree_of
from reprobuild.image.tree import ImageTree
from reprobuild.oci.types import ImageConfig, parse_config, parse_manifest
from reprobuild.progress import Progress
from reprobuild.store import Store
from reprobuild.workspace import BaseSpec
from reprobuild.workspace.expect import Expectations

__all__ = ["check_built", "require_kept"]


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
        pip=_locked_pip(derivation),
    )
    if not derivation.hooks and not _touches(derivation, expectations, facts, store):
        return check_image(expectations, facts)
    if missing := [layer for layer in layers if not store.has(layer.descriptor.digest, layer.descriptor.size)]:
        found = f"{len(missing)} of its layers are not in the store"
        return (*check_image(expectations, facts), Finding(check="files", outcome="unchecked", found=found))
    where = f"{derivation.connector} ({derivation.platform})"
    tree = tree_of(layers, store, where=where)
    with_contents(tree, expectations, layers, store, where=where)
    count = len(stored_manifest(derivation.base, derivation.platform, store)[0].layers)
    return check_image(
        expectations,
        facts_of(
            config,
            tree=tree,
            python=_python(derivation, tree, count),
            pip=next(_pips(derivation, tree), derivation.base.pip),
        ),
    )


def _image(manifest: Digest, store: Store) -> tuple[ImageConfig, tuple[RootLayer, ...]]:
    parsed = parse_manifest(store.read(manifest))
    config = parse_config(store.read(parsed.config.digest))
    layers = zip(parsed.layers, config.diff_ids, strict=True)
    return config, tuple(RootLayer(descriptor=layer, diff_id=diff_id) for layer, diff_id in layers)


def _locked_pip(derivation: Derivation) -> str | None:
    """Return the version of the pip that is installed, or else the base's."""
    wheels = (wheel.file for wheel in derivation.installed if wheel.file.lower().startswith("pip-"))
    return next((file.split("-")[1] for file in wheels), derivation.base.pip)


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


def _pips(derivation: Derivation, tree: ImageTree) -> Iterator[str]:
    """Yield the versions of pip that are installed where wheels go."""
    interpreter = derivation.base.interpreter
    for site in (interpreter.purelib, interpreter.platlib):
        found = tree.find(site)
        for name in tree.names(found.path) if found is not None else ():
            if name.startswith("pip-") and name.endswith(".dist-info"):
                yield name.removesuffix(".dist-info").split("-")[1]
