"""Which repositories of a registry have a blob, as far as we know: what can be mounted need not be uploaded.

Learned from what is pushed, now and before (the store remembers), and from where base images come from. It may be
wrong: the registry decides.
"""

from collections import defaultdict

import anyio

from reprobuild.canonical import Digest, digest_of
from reprobuild.store import Store

__all__ = ["Whereabouts"]

_KIND = "pushed"
_MOST = 4
"""How many repositories are remembered for a blob; one that still has it is enough."""


class Whereabouts:
    """What is known to be where; remembered in *store*, if there is one."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store
        self._known: dict[tuple[str, Digest], list[str]] = {}
        self._turns: dict[tuple[str, Digest], anyio.Lock] = defaultdict(anyio.Lock)

    def of(self, host: str, digest: Digest) -> tuple[str, ...]:
        """Return the repositories of the registry *host* that should have the blob *digest*, the latest first."""
        return tuple(self._list(host, digest))

    def add(self, host: str, digest: Digest, repository: str) -> None:
        """Note that *repository* has the blob."""
        known = self._list(host, digest)
        if known[:1] != [repository]:
            known[:] = [repository, *(name for name in known if name != repository)][:_MOST]
            if self._store is not None:
                self._store.write_record(_KIND, _key(host, digest), {"repositories": known})

    def expect(self, host: str, digest: Digest, repository: str) -> None:
        """Note for this run that *repository* should have the blob, where base images come from."""
        known = self._list(host, digest)
        if repository not in known:
            known.append(repository)

    def turn(self, host: str, digest: Digest) -> anyio.Lock:
        """Return what to hold while the blob is brought to *host*: who comes next can mount it."""
        return self._turns[host, digest]

    def _list(self, host: str, digest: Digest) -> list[str]:
        if (host, digest) not in self._known:
            record = self._store.record(_KIND, _key(host, digest)) if self._store is not None else None
            names = (record or {}).get("repositories")
            self._known[host, digest] = (
                [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
            )
        return self._known[host, digest]


def _key(host: str, digest: Digest) -> Digest:
    return digest_of(f"{host}\n{digest}".encode())
