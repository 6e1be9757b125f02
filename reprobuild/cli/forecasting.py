"""`reprobuild build --dry-run`: what would be built, and the bytes to fetch, make and push, before anything is done."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reprobuild.cli.failure import failures_json
from reprobuild.cli.opening import open_store
from reprobuild.cli.output import plain, say, say_json, size, styled
from reprobuild.cli.settings import Settings
from reprobuild.failures import Failures

if TYPE_CHECKING:
    from reprobuild.builder.build import Plan
    from reprobuild.builder.forecast import Forecast, Surroundings
    from reprobuild.canonical import Digest
    from reprobuild.lockfile import Lock, Wheel
    from reprobuild.store import Store
    from reprobuild.substituter.available import Available
    from reprobuild.workspace import Workspace

__all__ = ["run_dry"]

_STYLES = {"up to date": "good", "substitute": "quiet", "build": "open"}

_WORDS = {"up to date": "up to date", "substitute": "to substitute", "build": "to build"}


def run_dry(
    images: "Plan",
    workspace: "Workspace",
    lock: "Lock | None",
    settings: Settings,
    *,
    offline: bool,
    json: bool,
    failures: Failures | None,
) -> None:
    """Print what a build of *images* would do. Substituters are asked, unless *offline*; nothing else is."""
    told: tuple[Forecast, ...] = ()
    if lock is not None:
        from reprobuild.builder.forecast import forecast

        store = open_store(workspace.root)
        told = forecast(images, lock, store, _surroundings(images, workspace, store, settings, offline=offline))
    if json:
        say_json({"plan": _by_connector(told), "totals": _totals(told), "failed": failures_json(failures)})
    else:
        _print(told, settings)


def _surroundings(
    images: "Plan", workspace: "Workspace", store: "Store", settings: Settings, *, offline: bool
) -> "Surroundings":
    from reprobuild.builder.forecast import Surroundings
    from reprobuild.oci.whereabouts import Whereabouts
    from reprobuild.resolver.placing import WHEELS

    known = Whereabouts(store)
    _expect_bases(images, known, store)

    def local(wheel: "Wheel") -> bool:
        path = workspace.root / WHEELS / wheel.file
        return path.is_file() and path.stat().st_size == wheel.size

    return Surroundings(
        local=local,
        hosts=_hosts(images, workspace),
        sent=lambda host, digest: bool(known.of(host, digest)),
        offers=_offers(images, workspace, store, settings, offline=offline),
    )


def _expect_bases(images: "Plan", known: Any, store: "Store") -> None:
    """Let *known* know that base layers are where base images come from: they need not be sent there."""
    from reprobuild.oci.reference import RegistryReference, parse_reference
    from reprobuild.oci.types import parse_manifest

    bases = {image.derivation.base_platform.manifest: image.derivation.base.image for image in images}
    for manifest, text in bases.items():
        reference = parse_reference(text)
        if isinstance(reference, RegistryReference) and manifest in store:
            for layer in parse_manifest(store.read(manifest)).layers:
                known.expect(reference.host, layer.digest, reference.repository)


def _hosts(images: "Plan", workspace: "Workspace") -> dict[str, str]:
    """Return the registry that each connector is pushed to, of those whose specification says one."""
    from reprobuild.oci.reference import RegistryReference, parse_reference

    hosts = {}
    for name in {image.derivation.connector for image in images}:
        where = workspace.connectors[name].repository
        reference = parse_reference(where, where=name) if where is not None else None
        if isinstance(reference, RegistryReference):
            hosts[name] = reference.host
    return hosts


def _offers(
    images: "Plan", workspace: "Workspace", store: "Store", settings: Settings, *, offline: bool
) -> "Mapping[Digest, Available]":
    if offline or not workspace.substituters:
        return {}
    from functools import partial

    from reprobuild.cli.loop import run_async
    from reprobuild.cli.progress import open_display
    from reprobuild.cli.substituting import available

    with open_display(settings) as display:
        ask = partial(available, images, workspace, store, display, offline=offline)
        return run_async(ask, on_interrupt=display.close)


def _by_connector(told: "Sequence[Forecast]") -> list[dict[str, Any]]:
    connectors: dict[str, list[dict[str, Any]]] = {}
    for one in told:
        manifest = one.image.manifest
        connectors.setdefault(one.image.derivation.connector, []).append(
            {
                "platform": str(one.image.derivation.platform),
                "action": one.action,
                "derivation": one.image.key,
                "manifest": manifest.to_json() if manifest is not None else None,
                "fetch": one.fetch,
                "make": one.make,
                "push": one.push,
            }
        )
    return [{"name": name, "images": images} for name, images in connectors.items()]


def _totals(told: "Sequence[Forecast]") -> dict[str, Any]:
    counts = {action: sum(one.action == action for one in told) for action in _STYLES}
    pushes = [one.push for one in told if one.push is not None]
    return {
        "images": counts,
        "fetch": sum(one.fetch for one in told),
        "make": sum(one.make for one in told),
        "push": sum(pushes) if pushes else None,
    }


def _print(told: "Sequence[Forecast]", settings: Settings) -> None:
    width = max((len(one.image.derivation.connector) for one in told), default=0)
    platforms = max((len(str(one.image.derivation.platform)) for one in told), default=0)
    for one in told:
        derivation = one.image.derivation
        action = styled(f"{one.action:<10}", _STYLES[one.action], sys.stdout, settings)
        bytes_ = _bytes(one.fetch, one.make, one.push)
        words = f"{plain(derivation.connector):<{width}}  {derivation.platform!s:<{platforms}}  {bytes_}"
        say(f"{action}  {words}".rstrip())
    totals = _totals(told)
    counts = ", ".join(
        f"{count} {'to ' * (action != 'up to date')}{action}" for action, count in totals["images"].items()
    )
    bytes_ = _bytes(totals["fetch"], totals["make"], totals["push"])
    say(f"{'total':<10}  {counts}" + (f"; {bytes_}" if bytes_ else ""))


def _bytes(fetch: int, make: int, push: int | None) -> str:
    """Return bytes for people; what is not made yet is known about as well as its wheels' sizes tell."""
    parts = [f"fetch {size(fetch)}" if fetch else "", f"make about {size(make)}" if make else ""]
    parts.append(f"push {'about ' if make else ''}{size(push)}" if push else "")
    return ", ".join(part for part in parts if part)
