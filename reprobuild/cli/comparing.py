"""Two references held against each other: what `reprobuild diff` asks for, and who else wants to know."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reprobuild.cli.settings import Settings

if TYPE_CHECKING:
    from reprobuild.verify.comparison import Comparison

__all__ = ["compared"]

_FILES, _LINES = 100_000, 1_000
"""Texts that ``--full`` shows line by line, and lines of each."""


def compared(pair: tuple[str, str], platforms: Sequence[str], *, full: bool, settings: Settings) -> "Comparison":
    """Return how the second reference of *pair* differs from the first, on *platforms*, on all if there are none.

    With *full*, texts are held against each other line by line.
    """
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.opening import open_store
    from reprobuild.cli.origin import open_origin
    from reprobuild.cli.progress import open_display
    from reprobuild.oci.types import parse_platform
    from reprobuild.verify.diff import compare
    from reprobuild.verify.reading import Texts

    wanted = [parse_platform(text, where="--platform") for text in platforms]
    texts = Texts(files=_FILES, lines=_LINES) if full else Texts(files=0, lines=0)
    store = open_store()
    with open_display(settings) as display:

        async def work() -> "Comparison":
            async with (
                open_origin(pair[0], settings, store, where="A") as a,
                open_origin(pair[1], settings, store, where="B") as b,
            ):
                return await compare(a, b, store, display, platforms=wanted, texts=texts)

        return run_async(work, on_interrupt=display.close)
