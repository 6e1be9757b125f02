"""Sdists → wheels in the store: built in a sandbox, made canonical, checked, remembered, and if asked for proved.

Every outcome is kept under the key of its execution, so that nothing is built again that was built before with the
same things, on this machine or for another connector.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from zipfile import ZipFile

import anyio
import anyio.from_thread
import anyio.to_thread

from reprobuild.builder.base import stored_manifest
from reprobuild.builder.build_failure import build_failure
from reprobuild.builder.build_root import build_root
from reprobuild.builder.canonical_wheel import canonical_wheel, first_difference
from reprobuild.builder.executions import Executions
from reprobuild.builder.sdist import BuildSystem, check_built, is_native, is_pure, read_build_system
from reprobuild.builder.sdist_build import DEFAULT_PATH, DRIVER, Build, Task, built_file, required
from reprobuild.canonical import Digest, parse_digest
from reprobuild.engines.execution import Execution, ExecutionError, Observation
from reprobuild.errors import ContentError
from reprobuild.lockfile import BaseImage, Wheel
from reprobuild.oci.types import Platform
from reprobuild.store import Store
from reprobuild.target import Target

__all__ = ["SdistJob", "SdistWheels"]

_T = TypeVar("_T")
_KIND = "built-wheel"
_LARGEST = 64 * 1024 * 1024
"""Bytes of a member whose contents are looked at for a cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistJob:
    """The sdist ``file`` of a distribution, to be built with ``requires`` on ``builder`` for ``target``.

    Sdist, wheels and the builder's layers have to be in the store.
    """

    name: str
    version: str
    file: str
    digest: Digest
    builder: BaseImage
    requires: tuple[Wheel, ...]
    target: Target

    @property
    def platform(self) -> Platform:
        """The platform that it is built on and for."""
        return self.target.platform


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistWheels:
    """Builds wheels of sdists with ``executions``, and proves them on its other machine."""

    executions: Executions
    store: Store
    epoch: int

    def build_system(self, file: str, digest: Digest) -> BuildSystem:
        """Return what the sdist *file* says of its build."""
        with self.store.open(digest) as stream:
            return read_build_system(stream, file)

    async def required(self, job: SdistJob) -> tuple[str, ...]:
        """Return what the backend of *job* wants beyond what the sdist says (PEP 517), as PEP 508 texts."""
        _, seen = await self._run(job, "requires")
        _, change = built_file(seen, ".json", job.file)
        return required(self.store.read(parse_digest(change.digest)), job.file)

    async def wheel(self, job: SdistJob, *, proved: bool = False) -> Wheel:
        """Return the wheel of *job*, in the store; if it is to be *proved*, of two machines that agree on it.

        Raises ContentError for a build that fails, differs, or makes another wheel than it should; and what engines
        raise.
        """
        execution, seen = await self._run(job, "wheel")
        known = self.store.record(_KIND, execution.key) or {}
        wheel = await _off(partial(self._kept, seen, job))
        if proved and not (known.get("proved") is True and known.get("digest") == wheel.digest):
            await self._prove(execution, wheel, job)
            record = {"file": wheel.file, "size": wheel.size, "digest": wheel.digest, "proved": True}
            self.store.write_record(_KIND, execution.key, record)
        return wheel

    def is_hollow(self, wheel: Wheel) -> bool:
        """Say whether *wheel* is for one platform and holds nothing that is: a compiler may have been missing."""
        if is_pure(wheel.file):
            return False
        with self.store.open(wheel.digest) as stream:
            return not is_native(stream, wheel.file)

    async def _run(self, job: SdistJob, task: Task) -> tuple[Execution, Observation]:
        execution = await _off(partial(self._execution, job, task))
        try:
            return execution, await self.executions.run(execution)
        except ExecutionError as error:
            raise build_failure(error, name=job.name, file=job.file, platform=job.platform) from error

    def _execution(self, job: SdistJob, task: Task) -> Execution:
        """Return the execution of *task*, with all that it reads in the store."""
        check = anyio.from_thread.check_cancelled
        _, config = stored_manifest(job.builder, job.platform, self.store)
        build = Build(
            file=job.file,
            digest=job.digest,
            system=self.build_system(job.file, job.digest),
            platform=job.platform,
            layers=build_root(job.builder, job.platform, job.requires, self.store, epoch=self.epoch, tick=check),
            python=job.builder.interpreter.executable,
            driver=self.store.add(DRIVER.read_bytes()),
            epoch=self.epoch,
            path=config.env.get("PATH") or DEFAULT_PATH,
        )
        return build.execution(task, self.store.add(build.input(task)))

    def _kept(self, seen: Observation, job: SdistJob) -> Wheel:
        """Put the wheel that was *seen* into the store in its canonical form."""
        file, change = built_file(seen, ".whl", job.file)
        with self.store.open(parse_digest(change.digest)) as stream, self.store.writer() as writer:
            for chunk in canonical_wheel(stream, file):
                writer.write(chunk)
        wheel = Wheel(file=file, size=writer.size, digest=writer.digest)
        with self.store.open(wheel.digest) as stream:
            check_built(stream, file, name=job.name, version=job.version, target=job.target)
        return wheel

    async def _prove(self, execution: Execution, wheel: Wheel, job: SdistJob) -> None:
        """Build again on the other machine; raise ContentError that names the first member that differs."""
        if self.executions.varied is None:
            return
        task = self.executions.progress.task(f"{execution.what}, again", unit="steps")
        seen = await self.executions.varied().run(execution)
        task.finish()
        again = await _off(partial(self._kept, seen, job))
        if again != wheel:
            raise await _off(partial(self._differing, wheel, again, job))

    def _differing(self, wheel: Wheel, again: Wheel, job: SdistJob) -> ContentError:
        with self.store.open(wheel.digest) as one, self.store.open(again.digest) as other:
            place = first_difference(one, other, wheel.file) or "its file name"
            why = _cause(place, self.store.path(wheel.digest), self.store.path(again.digest))
        return ContentError(
            f"two builds of it for {job.platform} differ in {place}{why}",
            where=job.file,
            hint=f"its build depends on the machine or the time: take a version of {job.name} that has wheels, "
            "or put a wheel of it on an index of your own",
        )


async def _off(work: Callable[[], _T]) -> _T:
    return await anyio.to_thread.run_sync(work)


def _cause(member: str, one: Path, other: Path) -> str:
    """Return in brackets why *member* differs between two wheels, as far as its bytes tell."""
    from reprobuild.verify.content import content_cause  # noqa: PLC0415 - hardly ever needed

    try:
        with ZipFile(one) as left, ZipFile(other) as right:
            if max(left.getinfo(member).file_size, right.getinfo(member).file_size) > _LARGEST:
                return ""
            cause, detail = content_cause(member, left.read(member), right.read(member))
    except KeyError:
        return " (only one of them has it)"
    return f" ({cause}: {detail})" if detail else f" ({cause})"
