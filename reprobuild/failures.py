"""Failures kept by the connector that they concern, so that all the others can go on: what ``--keep-going`` means."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from reprobuild.errors import ReprobuildError

__all__ = ["Failures", "kept"]

Failures = MutableMapping[str, ReprobuildError]
"""What was wrong first with a connector, by its name; where None stands in its place, the first error ends all."""


@contextmanager
def kept(failures: Failures | None, *names: str) -> Iterator[None]:
    """Keep an error of ours that the block raises for the connectors *names* in *failures*; raise it without them."""
    try:
        yield
    except ReprobuildError as error:
        if failures is None:
            raise
        for name in names:
            failures.setdefault(name, error)
