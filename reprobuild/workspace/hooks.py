"""What a connector has executed while its image is built, as specified: hooks, their inputs, their secrets."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_TIMEOUT", "HookSpec", "InputSpec", "SecretSpec"]

DEFAULT_TIMEOUT = 600.0
"""Seconds that one execution may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSpec:
    """The hooks of a connector; paths on this machine, None where there is no such hook.

    ``pre_install`` and ``post_install`` are programs that run inside the image, before and after the wheels and
    the connector's files go in; ``customization`` is Airbyte's ``build_customization.py``. ``network`` gives all
    of them a network, which makes the image impure; ``timeout`` is in seconds for each execution.
    """

    pre_install: Path | None = None
    post_install: Path | None = None
    customization: Path | None = None
    network: bool = False
    timeout: float = DEFAULT_TIMEOUT

    def __bool__(self) -> bool:
        return any((self.pre_install, self.post_install, self.customization))

    @property
    def impure(self) -> tuple[str, ...]:
        """What of the hooks may change the image without the lock, in the lock's words."""
        return ("hooks: network",) if self and self.network else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """A file that hooks may read: either of ``url`` and ``path``, an absolute path on this machine.

    Its size and digest are in the lock.
    """

    name: str
    where: str
    url: str | None = None
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSpec:
    """Bytes that hooks may read and that no image may hold: of the variable ``env`` or of the file ``file``.

    Exactly one of them is set.
    """

    name: str
    where: str
    env: str | None = None
    file: Path | None = None
