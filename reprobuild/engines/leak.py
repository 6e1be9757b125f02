"""Secrets in what a program left: looked for before anything of it is kept."""

from collections.abc import Iterable, Iterator, Mapping

from reprobuild.errors import ContentError

__all__ = ["LeakGuard", "forms_of"]

_TELLING = 8
"""A line of a secret that is at least so long tells it by itself, too."""


def forms_of(secret: bytes) -> set[bytes]:
    """Return what tells *secret*: all of it, without the spaces around it, and its longer lines."""
    lines = (line.strip() for line in secret.splitlines())
    return {form for form in (secret, secret.strip(), *(line for line in lines if len(line) >= _TELLING)) if form}


class LeakGuard:
    """Refuses what holds one of *secrets*, by name. *where* is what ran, for messages."""

    def __init__(self, secrets: Mapping[str, bytes], *, where: str) -> None:
        self._forms = [(name, form) for name, secret in secrets.items() for form in forms_of(secret)]
        self._overlap = max((len(form) for _, form in self._forms), default=1) - 1
        self._where = where

    def __bool__(self) -> bool:
        return bool(self._forms)

    def check(self, path: str, data: bytes) -> None:
        """Raise ContentError if *data*, of the file *path*, holds a secret."""
        for name, form in self._forms:
            if form in data:
                raise ContentError(
                    f"it left the secret {name} in /{path}",
                    where=self._where,
                    hint="use the secret where it is mounted, and remove what holds it in the same step",
                )

    def checked(self, path: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield *chunks*, the bytes of the file *path*; raise ContentError before a secret in them is complete."""
        tail = b""
        for chunk in chunks:
            if self._forms:
                window = tail + chunk
                self.check(path, window)
                tail = window[-self._overlap :] if self._overlap else b""
            yield chunk
