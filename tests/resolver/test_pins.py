"""Pins of other tools' files."""

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.errors import SpecificationError
from reprobuild.resolver.pins import read_pins, salvage

POETRY = """
[[package]]
name = "Typing_Extensions"
version = "4.1.0"
optional = false
files = [{file = "x.whl", hash = "sha256:00"}]
[[package]]
name = "pytest"
version = "8.0.0"
groups = ["dev"]
[[package]]
name = "both"
version = "1.0"
groups = ["main", "dev"]
[[package]]
name = "old-dev"
version = "1.0"
category = "dev"
[[package]]
name = "forked"
version = "1.0"
[[package]]
name = "forked"
version = "2.0"
[[package]]
name = "from-git"
version = "1.0"
[package.source]
type = "git"
url = "x"
[[package]]
name = "private"
version = "1.5"
[package.source]
type = "legacy"
url = "x"
[metadata]
content-hash = "0"
"""
UV = """
version = 1
[[package]]
name = "httpx"
version = "0.28.1"
source = { registry = "somewhere" }
[[package]]
name = "me"
version = "0.1.0"
source = { editable = "." }
"""
PYLOCK = """
lock-version = "1.0"
[[packages]]
name = "httpx"
version = "0.28.1"
marker = "sys_platform == 'linux'"
[[packages]]
name = "pytest"
version = "8.0"
marker = "'dev' in dependency_groups"
[[packages]]
name = "local"
directory = { path = "." }
"""
REQUIREMENTS = """
# a comment
-r other.txt
--index-url somewhere
httpx[http2]==0.28.1 ; python_version >= "3.8" \\
    --hash=sha256:00 \\
    --hash=sha256:11
anyio == 4.1.0  # why
idna===3.10
loose>=1
ranged==1.*
two==1.0 ; sys_platform == "linux"
two==2.0 ; sys_platform != "linux"
several==1.0,!=2
url @ file:///x.whl
-e .
"""


@pytest.mark.parametrize(
    ("name", "text", "pins"),
    [
        ("poetry.lock", POETRY, {"both": "1.0", "private": "1.5", "typing-extensions": "4.1.0"}),
        ("uv.lock", UV, {"httpx": "0.28.1"}),
        ("pylock.toml", PYLOCK, {"httpx": "0.28.1"}),
        ("requirements.txt", REQUIREMENTS, {"anyio": "4.1.0", "httpx": "0.28.1", "idna": "3.10"}),
    ],
)
def test_pins_of_each_kind(name: str, text: str, pins: dict[str, str]) -> None:
    assert read_pins(PurePath(name), text) == pins


@pytest.mark.parametrize("name", ["poetry.lock", "uv.lock", "pylock.toml"])
@pytest.mark.parametrize("text", ["[[package", "package = 1\npackages = 1", "package = [1]\npackages = [1]"])
def test_what_is_not_such_a_file_is_named(name: str, text: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        read_pins(PurePath(name), text)
    assert caught.value.where == name


@given(st.text(alphabet=st.sampled_from("ab-=.1;#\\\n[]<>@ "), max_size=200))
def test_any_requirements_are_read(text: str) -> None:
    for name, version in read_pins(PurePath("requirements.txt"), text).items():
        assert version[0].isdigit()
        assert name == name.lower()


def test_a_damaged_lock_still_tells_versions() -> None:
    text = '[[packages]]\nname = "httpx"\nversion = "0.28.1"\nwheels = [\n    {path = "wheels/ht'
    assert salvage(text) == {"httpx": "0.28.1"}
    assert salvage('name = "x"\nversion = "1\\" or"') == {}
