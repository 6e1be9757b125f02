"""What uv says when it finds no solution, as an error of ours: the kind, the essential lines, the next step."""

import re
from dataclasses import dataclass

from reprobuild.errors import AuthenticationError, LockError, MachineError, NetworkError, ReprobuildError

__all__ = ["Wheelless", "complaint", "explanation", "unbuilt", "wheelless"]

_LINES = 12
_WIDTH = 400
_SHOWN = 4
"""How many of a list of versions are shown."""

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_ONE = r"[A-Za-z0-9][A-Za-z0-9._-]*(?:[=<>!~]\S*)?"
_LISTED = r"[A-Za-z0-9][A-Za-z0-9._-]*[=<>!~]\S*"
_BLAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<versions>[=<>!~]\S*)?")
_WHEELLESS = re.compile(
    rf"(?:all versions of |all of: )?(?P<blamed>(?:(?<=all of: )(?:{_LISTED} )+{_LISTED})|{_ONE}) ha(?:s|ve) no "
    r"(?:usable wheels|wheels with a matching (?P<tag>[A-Za-z ]+) tag)"
)
_UNBUILT = re.compile(r"Failed to build `([A-Za-z0-9._-]+)==([^`\s]+)`")
_REFUSED = re.compile(r"\b(401 Unauthorized|403 Forbidden|lack of valid authentication credentials)\b")
_UNREACHABLE = re.compile(
    r"Failed to (?:fetch|download)|error sending request|HTTP status (?:server|client) error|dns error|timed out"
    r"|Request failed after|network was disabled|error decoding response body|connection (?:closed|reset)",
    re.IGNORECASE,
)
_MACHINE = re.compile(
    r"No interpreter found|Failed to (?:query|inspect) Python|Failed to initialize cache|No space left"
    r"|Permission denied|Read-only file system|Disk quota",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheelless:
    """A distribution, and the versions of it (a specifier, empty for all), that have no wheel to install.

    ``tag`` is what no wheel matches (``platform``, ``Python ABI`` …); None where uv says no more than that.
    """

    name: str
    versions: str
    tag: str | None

    def __str__(self) -> str:
        if self.versions.startswith("==") and "," not in self.versions:
            return f"{self.name} {self.versions.removeprefix('==')}"
        return f"{self.name} {self.versions or '(all versions)'}"


def complaint(stderr: str, *, where: str | None = None) -> ReprobuildError:
    """Return the error that uv's *stderr* amounts to; *where* is what it was asked about."""
    text = _COLOR.sub("", stderr)
    if _REFUSED.search(text):
        hint = "give the index's credentials to uv: in its URL, in a netrc file, or with `uv auth login`"
        return AuthenticationError(_indented("the package index refused us", _body(text)), where=where, hint=hint)
    if _UNREACHABLE.search(text):
        hint = "check the network and the index in your uv configuration (UV_DEFAULT_INDEX, UV_OFFLINE), then try again"
        return NetworkError(_indented("the package index did not answer", _body(text)), where=where, hint=hint)
    if "No solution found" in text:
        hint = "loosen one of these requirements, or pin another version of what they disagree on"
        return LockError(_indented("the requirements cannot be satisfied", explanation(text)), where=where, hint=hint)
    if _MACHINE.search(text):
        return MachineError(_indented("uv cannot work here", _body(text)), where=where, hint="run `reprobuild doctor`")
    hint = "look at the requirements and at the uv configuration of this workspace"
    return LockError(_indented("uv cannot resolve", _body(text)), where=where, hint=hint)


def wheelless(stderr: str) -> tuple[Wheelless, ...]:
    """Return the distributions without a usable wheel that uv's *stderr* blames, in its order, each once."""
    text = " ".join(_COLOR.sub("", stderr).split())
    return tuple(
        dict.fromkeys(
            Wheelless(name=one["name"], versions=one["versions"] or "", tag=match["tag"])
            for match in _WHEELLESS.finditer(text)
            for one in _BLAMED.finditer(match["blamed"])
        )
    )


def unbuilt(stderr: str) -> tuple[str, str] | None:
    """Return name and version of the sdist that uv would have to build, as *stderr* says; None if it does not."""
    match = _UNBUILT.search(_COLOR.sub("", stderr))
    return (match[1], match[2]) if match is not None else None


def explanation(stderr: str) -> str:
    """Return uv's chain of reasons from *stderr*, a sentence a line, twelve lines at most, ends kept."""
    _, _, chain = _COLOR.sub("", stderr).partition("cause: ")
    chain, _, hints = chain.partition("\nhint: ")
    lines = [line[:_WIDTH] for line in _sentences(chain)]
    if len(lines) > _LINES:
        left_out = len(lines) - _LINES + 1
        lines = [*lines[:6], f"… ({left_out} more steps)", *lines[6 + left_out :]]
    hint = " ".join(hints.partition("\nhint: ")[0].split())
    keep = hint.startswith(("Wheels are available", "You require"))
    return "\n".join([*lines, hint[:_WIDTH]] if keep else lines)


def _sentences(chain: str) -> list[str]:
    """Return *chain* a sentence a line, with lists of versions drawn into it and shortened."""
    sentences: list[str] = []
    items: list[str] = []
    for line in chain.splitlines():
        text = line.strip()
        if line.startswith(" " * 12):
            items.append(text)
            continue
        if items and sentences:
            sentences[-1] += " " + _list(items)
        joined = bool(items) or text.startswith("we can conclude")
        items = []
        if joined and sentences:
            sentences[-1] += (", " if text.startswith("we ") else " ") + text
        elif text:
            sentences.append(text)
    if items and sentences:
        sentences[-1] += " " + _list(items)
    return sentences


def _list(items: list[str]) -> str:
    if len(items) > _SHOWN:
        items = [*items[:2], "…", *items[-2:]]
    return ", ".join(items)


def _body(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wanted = [line for line in lines if not line.lower().startswith(("warning:", "usage:", "for more information"))]
    return "\n".join(line[:_WIDTH] for line in wanted[:_LINES])


def _indented(headline: str, body: str) -> str:
    return headline + ":\n" + "\n".join(f"  {line}" for line in body.splitlines()) if body else headline
