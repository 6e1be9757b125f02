"""Folders that a round has used, out of the way without being removed: see `bench.measure` for why."""

from pathlib import Path

__all__ = ["set_aside"]


def set_aside(folder: Path) -> None:
    """Have nothing at *folder*: what is there goes into the folder ``used`` beside it."""
    if folder.exists():
        used = folder.with_name("used")
        used.mkdir(exist_ok=True)
        folder.rename(used / f"{folder.name}-{len(list(used.iterdir()))}")
