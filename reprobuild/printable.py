"""Which text can be told and written down: the same on every Python, where `str.isprintable` follows its Unicode."""

import re

__all__ = ["is_printable"]

_UNPRINTABLE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f\ud800-\udfff"  # Control characters, and bytes that are no UTF-8.
    "\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Spaces that are not the space.
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f"  # Letters that say how others are shown.
    "\ue000-\uf8ff\U000f0000-\U0010ffff"  # For private use.
    "]"
)


def is_printable(text: str) -> bool:
    """Say whether *text* has only letters that show; one that a Python's Unicode does not know yet counts as such."""
    return _UNPRINTABLE.search(text) is None
