r"""HTML elements from Python: whatever is no `Markup` is escaped, so that no text of others becomes HTML.

Text is shown as it is, but for characters that cannot be seen or that turn the text around: those are written out, as
``\u202e``. Which they are is fixed here and not taken from Python's tables, which differ from release to release.
"""

import re
from collections.abc import Iterable

__all__ = ["Attribute", "Child", "Markup", "element", "joined", "visible"]

_VOID = frozenset({"input", "rect"})
"""Elements without children. The slash at their end means something in SVG only, and is allowed in HTML."""
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_SPECIAL = re.compile(r"[&<>\"']")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
"""Controls, joiners and marks of direction, fillers, tags, halves of pairs, and what is no character at all."""


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


Child = str | int | None
Attribute = str | int | bool | None


def visible(text: str) -> str:
    """Return *text* with what cannot be seen in it written out; newlines and tabs stay."""
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def element(tag: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """Return an element; an underscore in an attribute's name is a hyphen, one at its end is dropped.

    Of attributes, True is one without a value; None and False are left out.
    """
    head = tag + "".join(_attribute(name, value) for name, value in attributes.items())
    return Markup(f"<{head}/>") if tag in _VOID else Markup(f"<{head}>{joined(children)}</{tag}>")


def joined(children: Iterable[Child]) -> Markup:
    """Return *children* one after the other, each escaped unless it is Markup; None is nothing."""
    return Markup("".join(_escaped(child) for child in children if child is not None))


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = name.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_escaped(value)}"'


def _escaped(value: str | int) -> str:
    if isinstance(value, Markup):
        return value
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], visible(str(value)))
