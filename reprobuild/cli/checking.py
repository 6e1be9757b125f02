"""A check as it was asked for: plan, supply, rebuild, run hooks twice, compare, print. What `reprobuild check` does."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprobuild.cli.opening import named_or_here, open_store, open_workspace
from reprobuild.cli.output import plain, say, say_json, styled, tell
from reprobuild.cli.planning import fresh_lock, planned
from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from reprobuild.builder.build import Plan
    from reprobuild.progress import Progress
    from reprobuild.verify.check import Rebuilds, Verdict
    from reprobuild.verify.purity import Impurity
    from reprobuild.workspace import Workspace

__all__ = ["CheckRequest", "list_conditions", "run_check"]

_STYLES = {"same": "good", "pure": "good", "unrecorded": "open", "mismatch": "bad", "differs": "bad", "impure": "bad"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """The options of `reprobuild check`, as they were given."""

    names: tuple[str, ...] = ()
    everything: bool = False
    platforms: tuple[str, ...] = ()
    vary: str | None = None
    offline: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _HookCheck:
    """What came of running the hooks of one image twice; ``network`` says that nothing can be known of them."""

    connector: str
    platform: str
    executions: int
    impurity: "Impurity | None"
    network: bool

    @property
    def answer(self) -> str:
        return "impure" if self.impurity or self.network else "pure"


def list_conditions() -> int:
    """Print what can be varied; return the exit code."""
    from reprobuild.verify.conditions import CONDITIONS

    for name, meaning in CONDITIONS.items():
        say(f"{name:<10}  {meaning}")
    return 0


def run_check(request: CheckRequest, settings: Settings) -> int:
    """Do what *request* asks and return the exit code: 1 if anything is not as it should be."""
    from reprobuild.verify.conditions import chosen_conditions

    varied = chosen_conditions(request.vary)
    workspace = open_workspace(settings)
    wanted = tuple(workspace.connectors) if request.everything else request.names
    chosen = named_or_here(workspace, wanted, settings.directory)
    lock = fresh_lock(workspace, chosen)
    images = planned(workspace, lock, chosen, request.platforms)
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.progress import open_display
    from reprobuild.cli.supply import supply
    from reprobuild.verify.check import verdicts

    with open_display(settings) as display:

        async def work() -> tuple["Rebuilds", list[_HookCheck]]:
            anew = _anew(images)
            await supply(anew, workspace, lock, open_store(), progress=display, offline=request.offline)
            rebuilds = await _rebuilds(images, workspace, varied, display)
            return rebuilds, await _hook_checks(images, workspace, settings, display)

        rebuilds, hooks = run_async(work, on_interrupt=display.close)
    found = verdicts(images, rebuilds.builds)
    _print_json(found, hooks, rebuilds, varied) if request.json else _print(found, hooks, rebuilds, settings)
    well = all(verdict.answer == "same" for verdict in found) and all(hook.answer == "pure" for hook in hooks)
    return 0 if well else 1


def _anew(images: "Plan") -> "Plan":
    """Return *images* as if none of them had been built."""
    from dataclasses import replace

    return tuple(replace(image, manifest=None) for image in images)


async def _rebuilds(images: "Plan", workspace: "Workspace", varied: Sequence[str], progress: "Progress") -> "Rebuilds":
    from tempfile import TemporaryDirectory

    from reprobuild.verify.check import rebuild_all

    place = "/dev/shm" if "order" in varied and os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    with TemporaryDirectory(prefix="reprobuild-check-", dir=place, ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - others enter it
        return await rebuild_all(images, workspace, open_store(), Path(folder), varied, progress)


async def _hook_checks(
    images: "Plan", workspace: "Workspace", settings: Settings, progress: "Progress"
) -> list[_HookCheck]:
    """Run the hooks of each of *images* on two machines that differ."""
    hooked = [image for image in images if image.derivation.hooks]
    if not hooked:
        return []
    from reprobuild.cli.secrets import read_secrets
    from reprobuild.engines.executor import unheard
    from reprobuild.engines.open import open_executor
    from reprobuild.engines.variation import Variation
    from reprobuild.verify.purity import impurity

    processors = max(1, len(os.sched_getaffinity(0)) - 1)
    other = Variation(hostname="another-machine", processors=processors, pids=40, reverse=True)
    store = open_store()
    engines = open_executor("embedded", store), open_executor("embedded", store, variation=other)
    task = progress.task("running hooks twice", len(hooked), unit="images")
    checks = []
    for image in hooked:
        derivation = image.derivation
        secrets = partial(read_secrets, workspace, derivation.connector)
        listener = progress.note if settings.verbose else unheard
        found, executions = await impurity(derivation, store, engines, secrets, listener=listener)
        checks.append(
            _HookCheck(
                connector=derivation.connector,
                platform=str(derivation.platform),
                executions=executions,
                impurity=found,
                network=derivation.network,
            )
        )
        task.advance(1)
    task.finish()
    return checks


def _print(found: Sequence["Verdict"], hooks: Sequence[_HookCheck], rebuilds: "Rebuilds", settings: Settings) -> None:
    width = max((len(verdict.connector) for verdict in found), default=0)
    for verdict in found:
        answer = styled(f"{verdict.answer:<10}", _STYLES[verdict.answer], sys.stdout, settings)
        digests = " → ".join(dict.fromkeys(verdict.manifests))
        say(f"{answer}  {plain(verdict.connector):<{width}}  {verdict.platform}  {digests}")
        if verdict.answer == "mismatch":
            say(f"{'':<10}  the lock records {verdict.recorded}")
    for hook in hooks:
        answer = styled(f"{hook.answer:<10}", _STYLES[hook.answer], sys.stdout, settings)
        say(
            f"{answer}  {plain(hook.connector):<{width}}  {hook.platform}  hooks: {_executions(hook.executions)}, twice"
        )
        if hook.impurity is not None:
            say(f"{'':<10}  {plain(str(hook.impurity))}")
        if hook.network:
            say(f"{'':<10}  hooks: network = true: what they fetch may be something else tomorrow")
    sys.stdout.flush()
    if settings.quiet:
        return
    for condition, why in rebuilds.unvaried:
        tell(f"not varied here: {condition}: {why}")
    _print_hints(found, hooks, settings)


def _executions(count: int) -> str:
    return f"{count} execution" + ("" if count == 1 else "s")


def _print_hints(found: Sequence["Verdict"], hooks: Sequence[_HookCheck], settings: Settings) -> None:
    hint = styled("hint:", "hint", sys.stderr, settings)
    if any(verdict.answer == "unrecorded" for verdict in found):
        tell(f"{hint} run `reprobuild build --record`, and commit the locks")
    if impure := next((hook.impurity for hook in hooks if hook.impurity), None):
        from reprobuild.verify.cause import CAUSES

        tell(f"{hint} {impure.cause}: {CAUSES[impure.cause].fix}")
    if any(hook.network for hook in hooks):
        tell(f"{hint} declare what hooks download as [[tool.reprobuild.input]], and take network = true out")


def _print_json(
    found: Sequence["Verdict"], hooks: Sequence[_HookCheck], rebuilds: "Rebuilds", varied: Sequence[str]
) -> None:
    images = [
        {
            "connector": verdict.connector,
            "platform": str(verdict.platform),
            "answer": verdict.answer,
            "recorded": verdict.recorded,
            "manifests": list(verdict.manifests),
        }
        for verdict in found
    ]
    checks = [
        {
            "connector": hook.connector,
            "platform": hook.platform,
            "answer": hook.answer,
            "executions": hook.executions,
            "network": hook.network,
            "impurity": _impurity_json(hook.impurity),
        }
        for hook in hooks
    ]
    missing = dict(rebuilds.unvaried)
    conditions = [name for name in varied if name not in missing]
    say_json({"images": images, "hooks": checks, "varied": conditions, "unvaried": missing})


def _impurity_json(found: "Impurity | None") -> dict[str, Any] | None:
    if found is None:
        return None
    return {"what": found.what, "place": found.place, "cause": found.cause, "detail": found.detail}
