"""What a layer cannot hold, whichever engine met it."""

from reprobuild.errors import ContentError

__all__ = ["DEPTH", "checked_change", "checked_text"]

DEPTH = 200
"""As many folders as are read from images."""


def checked_text(text: str, *, where: str) -> str:
    """Return *text*, a path or what a link says; raise ContentError unless it is UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        name = repr(text.encode("utf-8", "surrogateescape"))[1:][:200]
        hint = "have the program use names in UTF-8"
        raise ContentError(f"a name that is not UTF-8 cannot be in an image: {name}", where=where, hint=hint) from error
    return text


def checked_change(path: str, *, where: str, socket: bool = False) -> str:
    """Return *path*; raise ContentError, naming it, if no layer can hold it."""
    hint = "have the program remove it before it ends"
    checked_text(path, where=where)
    if socket:
        raise ContentError(f"a socket cannot be in an image: /{path}", where=where, hint=hint)
    if path.count("/") >= DEPTH:
        raise ContentError(f"more than {DEPTH} folders deep: /{path[:200]}", where=where, hint=hint)
    if path.rpartition("/")[2].startswith(".wh."):
        raise ContentError(f"a name that means a removed file in an image: /{path}", where=where, hint=hint)
    return path
