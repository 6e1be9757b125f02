"""What can be told is the same on every Python, and nothing that this one can tell is left out."""

import sys
import unicodedata

from reprobuild.printable import is_printable


def test_every_letter() -> None:
    for number in range(sys.maxunicode + 1):
        letter = chr(number)
        if letter.isprintable():
            assert is_printable(letter), hex(number)
        elif unicodedata.category(letter) != "Cn":
            assert not is_printable(letter), hex(number)


def test_a_letter_that_python_3_11_does_not_know() -> None:
    assert is_printable("\U0001fae8.json")
    assert not any(map(is_printable, ("\n", "\x1b[0m", "\udce9", "\u202e", "\u200b", "\xa0")))
