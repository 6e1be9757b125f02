"""Subordinate ids as /etc/subuid gives them."""

import pytest

from reprobuild.engines.owners import IdMap, id_map, map_arguments
from reprobuild.errors import MachineError

NAMES = ("me", "1000")


def test_the_largest_range_of_a_name_or_id() -> None:
    text = "# ids\nother:1:999999\nme:100000:65536\n1000:300000:70000\nme:nonsense\n\n"
    found = id_map(text, own=1000, names=NAMES, path="/etc/subuid")
    assert found == IdMap(own=1000, first=300000, count=70000)
    assert map_arguments(found) == ["0", "1000", "1", "1", "300000", "70000"]


@pytest.mark.parametrize("text", ["", "other:1:99999\n", "me:1:100\n", "me:x:y\n"])
def test_too_few(text: str) -> None:
    with pytest.raises(MachineError) as caught:
        id_map(text, own=1000, names=NAMES, path="/etc/subuid")
    assert caught.value.where == "/etc/subuid"
    assert "usermod --add-subuids" in str(caught.value.hint)
