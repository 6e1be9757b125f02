"""A build as it was asked for: plan, supply, build, print, record, write. What `reprobuild build` does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reprobuild.cli.choice import chosen_connectors
from reprobuild.cli.failure import told_failures
from reprobuild.cli.opening import open_store, open_workspace
from reprobuild.cli.planning import fresh_lock, planned
from reprobuild.cli.realising import realised
from reprobuild.cli.repair import repaired
from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from reprobuild.builder.build import BuildResult, Plan
    from reprobuild.errors import ReprobuildError
    from reprobuild.failures import Failures
    from reprobuild.oci.reference import FileReference
    from reprobuild.workspace import Workspace

__all__ = ["BuildRequest", "record_outputs", "run_build"]

_SHOWN = 10
"""How many names are told of what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """The options of `reprobuild build`, as they were given."""

    names: tuple[str, ...] = ()
    everything: bool = False
    changed_since: str | None = None
    platforms: tuple[str, ...] = ()
    offline: bool = False
    record: bool = False
    output: str | None = None
    json: bool = False
    substituter: str | None = None
    push_outputs: bool = False
    shard: str | None = None
    jobs: int | None = None
    dry_run: bool = False
    keep_going: bool = False


def run_build(request: BuildRequest, settings: Settings) -> int:
    """Do what *request* asks and return the exit code: 1 if an image is not what its lock records.

    Where it is to keep going, the code is that of the worst failure, and stderr tells of each.
    """
    failures: dict[str, ReprobuildError] | None = {} if request.keep_going else None
    workspace = open_workspace(settings, failures)
    if request.substituter is not None or request.push_outputs:
        from reprobuild.cli.substituting import with_substituters

        workspace = with_substituters(workspace, request.substituter, push=request.push_outputs)
    chosen = chosen_connectors(request, workspace, settings, shard=request.shard, failures=failures)
    target = _destination(request.output, len(chosen))
    lock = fresh_lock(workspace, chosen, failures) if chosen else None
    images = planned(workspace, lock, chosen, request.platforms, failures) if lock is not None else ()
    _check_target(target, images, len(chosen))
    if request.dry_run:
        from reprobuild.cli.forecasting import run_dry

        run_dry(images, workspace, lock, settings, offline=request.offline, json=request.json, failures=failures)
        return told_failures(failures, settings)
    plans = [images]

    def build() -> "tuple[BuildResult, ...]":
        if lock is None or not images:
            return ()
        return realised(
            # Made anew if it was of no use: what was damaged is not there any more.
            plans.pop() if plans else planned(workspace, lock, chosen, request.platforms, failures),
            workspace,
            lock,
            settings,
            offline=request.offline,
            whole=target is not None,
            jobs=request.jobs,
            failures=failures,
        )

    results = repaired(build, settings, failures)
    code = _finish(request, results, workspace, settings, target, failures or {}, build)
    return max(code, told_failures(failures, settings))


def _finish(
    request: BuildRequest,
    results: Sequence["BuildResult"],
    workspace: "Workspace",
    settings: Settings,
    target: "FileReference | None",
    failures: "Failures",
    build: "Callable[[], Sequence[BuildResult]]",
) -> int:
    """Print, record and write *results*; return 1 if one of them is not what its lock records, else 0."""
    from reprobuild.cli.built import print_hints, print_results, print_results_json

    print_results_json(results, failures) if request.json else print_results(results, settings)
    if request.record:
        record_outputs(workspace, results)
    if not request.json and not settings.quiet:
        print_hints(results, settings, record=request.record, words=_words(request))
    good = [result for result in results if all(image.outcome != "mismatch" for image in result.images)]
    differs = len(good) < len(results)
    if target is not None and good and not (differs and not request.keep_going):
        _write_repaired(target, good, workspace, settings, build)
    return 1 if differs else 0


def _write_repaired(
    target: "FileReference",
    results: Sequence["BuildResult"],
    workspace: "Workspace",
    settings: Settings,
    build: "Callable[[], Sequence[BuildResult]]",
) -> None:
    """Write *results*; if something of them is damaged, have *build* make it anew, which gives the same."""
    first = [True]

    def write() -> None:
        if not first:
            build()
        first.clear()
        _write(target, results, workspace, settings)

    repaired(write, settings)


def _words(request: BuildRequest) -> str | None:
    """Return what stands for all the connectors on the command line, None if that is their names."""
    if request.changed_since is not None:
        words = f"--changed-since {request.changed_since}"
    elif request.everything:
        words = "--all"
    else:
        return None
    return words + (f" --shard {request.shard}" if request.shard else "") + (" -k" if request.keep_going else "")


def _check_target(target: "FileReference | None", images: "Plan", connectors: int) -> None:
    if target is not None and target.transport == "docker-archive" and len(images) > connectors:
        from reprobuild.errors import SpecificationError

        hint = "add --platform, or write oci-archive:"
        raise SpecificationError("it holds images of one platform only", where=str(target), hint=hint)


def record_outputs(workspace: "Workspace", results: Sequence["BuildResult"]) -> None:
    """Write new outputs into the locks, as they are by now; a mismatch is never written over."""
    from dataclasses import replace

    from reprobuild.builder.build import recorded
    from reprobuild.lock_files import read_lock
    from reprobuild.lock_writer import write_connector_lock
    from reprobuild.lockfile import lock_path
    from reprobuild.store import replace_file

    for result in results:
        new = tuple(image for image in result.images if image.outcome == "new")
        if new:
            lock = read_lock(workspace.root, [result.connector]).connectors[result.connector]
            text = write_connector_lock(recorded(lock, replace(result, images=new)))
            replace_file(workspace.root / lock_path(result.connector), text.encode())


def _destination(text: str | None, connectors: int) -> "FileReference | None":
    if text is None:
        return None
    from reprobuild.cli.destination import parse_destination

    return parse_destination(text, connectors)


def _write(
    target: "FileReference", results: Sequence["BuildResult"], workspace: "Workspace", settings: Settings
) -> None:
    from reprobuild.cli.destination import write_images
    from reprobuild.cli.output import plain, tell

    tags = write_images(target, results, workspace, open_store(), settings.directory)
    if not settings.quiet:
        more = f" and {len(tags) - _SHOWN} more" if len(tags) > _SHOWN else ""
        tell(plain(f"wrote {target}: {', '.join(tags[:_SHOWN])}{more}"))
