"""A substituter under way: questions that end in time, and failures that are counted.

What does not answer costs a build some seconds, and never more: after a few failures nobody asks it any more.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import anyio

from reprobuild.errors import AuthenticationError, ContentError, NetworkError, ReprobuildError
from reprobuild.oci.registries import Registries
from reprobuild.oci.repository import Repository
from reprobuild.oci.retry import Patience
from reprobuild.progress import Progress

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

    from reprobuild.workspace.substituters import SubstituterSpec

__all__ = ["Limits", "Place"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a substituter may cost: ``seconds`` for a question, ``slowest`` bytes a second for blobs beyond that.

    After so many ``failures`` to answer it is left alone.
    """

    seconds: float = 20.0
    slowest: float = 64 * 1024
    failures: int = 3
    patience: Patience = field(default_factory=lambda: Patience(connect=5, read=10, tries=2))


class Place:
    """The repository that *spec* names, whose entries are believed if one of *keys* signed them."""

    def __init__(
        self,
        spec: "SubstituterSpec",
        *,
        keys: "Sequence[SSlibKey]" = (),
        environ: Mapping[str, str],
        registries: Registries,
        progress: Progress,
        limits: Limits,
    ) -> None:
        self.keys, self.limits = tuple(keys), limits
        self.repository = Repository(
            spec.host, spec.repository, environ=environ, registries=registries, patience=limits.patience
        )
        self._progress = progress
        self._failures = 0

    @property
    def where(self) -> str:
        """The repository, for messages."""
        return self.repository.where

    @property
    def is_left_alone(self) -> bool:
        """Whether it has failed too often."""
        return self._failures >= self.limits.failures

    async def ask(self, call: Callable[[], Awaitable[_T | None]], *, size: int = 0) -> _T | None:
        """Return what *call* gives, None if it fails or takes too long for *size* bytes; notes tell why."""
        if self.is_left_alone:
            return None
        seconds = self.limits.seconds + size / self.limits.slowest
        try:
            with anyio.fail_after(seconds):
                return await call()
        except TimeoutError:
            self._failed(NetworkError(f"took longer than {seconds:.0f} seconds", where=self.where))
        except (NetworkError, AuthenticationError) as error:
            self._failed(error)
        except ContentError as error:
            self._progress.note(f"not taken from the substituter: {error}")
        return None

    async def close(self) -> None:
        """Close all connections."""
        await self.repository.close()

    def _failed(self, error: ReprobuildError) -> None:
        before = self.is_left_alone
        # Who refuses us once will do so again.
        self._failures += self.limits.failures if isinstance(error, AuthenticationError) else 1
        if not before:
            end = f"; {self.where} is not asked any more" if self.is_left_alone else ""
            self._progress.note(f"not taken from the substituter: {error}{end}")
