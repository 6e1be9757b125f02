"""Locks read quickly are read as tomllib reads them, whatever the text."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.lock_document import _quickly, load_lock

_LOCKS = sorted((Path(__file__).parent.parent / "lock").glob("pylock.*.toml"))
_LOCK = """\
# A comment.
lock-version = "1.0"
environments = [
    "sys_platform == 'linux'",
]

[[packages]]
name = "alpha"
version = "1.0"
wheels = [
    {path = "wheels/alpha-1.0-py3-none-any.whl", size = 10, hashes = {sha256 = "00"}},
    {path = "wheels/alpha-1.0-py2-none-any.whl", size = 0, hashes = {sha256 = "11"}},
]

[[packages]]
name = "beta"
version = "1.0"
marker = "platform_machine == 'x86_64'"
wheels = [
    {path = "wheels/beta-1.0-py3-none-any.whl", size = 10, hashes = {sha256 = "00"}},
]

[tool.reprobuild]
format = 1
"""


def _both(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        with pytest.raises(tomllib.TOMLDecodeError) as raised:
            load_lock(text)
        assert str(raised.value) == str(error)
    else:
        assert load_lock(text) == expected


@pytest.mark.parametrize("path", _LOCKS, ids=lambda path: path.name)
def test_locks_of_this_repository(path: Path) -> None:
    _both(path.read_text(encoding="utf-8"))


def test_what_we_write_is_read_quickly() -> None:
    assert _quickly(_LOCK) == tomllib.loads(_LOCK)


@given(st.data())
def test_changed_anywhere(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(_LOCK)))
    end = data.draw(st.integers(start, min(len(_LOCK), start + 40)))
    pieces = ["", '"', '"""', "'''", "\\", "\n", "\r\n", "[[packages]]\n", "[tool.reprobuild]\n", "]\n", "x = 1\n", "0"]
    put = data.draw(st.sampled_from(pieces) | st.text(max_size=5))
    _both(_LOCK[:start] + put + _LOCK[end:])


@pytest.mark.parametrize(
    "text",
    [
        "",
        _LOCK.replace("1.0-py3", '1.0\\u0041"'),
        _LOCK.replace("size = 10", "size = 010"),
        _LOCK.replace("size = 10", "size = 1_0"),
        _LOCK.replace('name = "beta"', 'name = "beta"\nname = "gamma"'),
        _LOCK.replace("lock-version", "packages"),
        _LOCK + "[[packages]]\nname = 'late'\n",
        _LOCK + "\n[tool.reprobuild]\n",
        _LOCK.replace("# A comment.", 'text = """').replace("format = 1", 'format = """'),
        _LOCK.replace("environments = [", "environments = [\n[[packages]]\n"),
        _LOCK.replace("[tool.reprobuild]", "[packages.tool.reprobuild]\n[tool.reprobuild]"),
    ],
)
def test_texts_that_could_mislead(text: str) -> None:
    _both(text)
