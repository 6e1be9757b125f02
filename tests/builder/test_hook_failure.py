"""What is said of hooks that failed: the next step, told by what they wrote."""

import pytest

from reprobuild.builder.hook_failure import explained, privileged, remark
from reprobuild.builder.tree import Entry, directory
from reprobuild.engines.execution import Change, Changes, ExecutionError


def failure(output: str, *, hint: str | None = None) -> ExecutionError:
    return ExecutionError("it ended with exit code 6", where="hook", hint=hint, output=output, code=6)


NETWORK = [
    "curl: (6) Could not resolve host: example.com",
    "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
    "wget: bad address 'example.com'",
    "sh: 1: apt-get: not found",
    "connect: Network is unreachable",
]


@pytest.mark.parametrize("line", NETWORK)
def test_a_hook_that_wants_the_network_is_told_about_inputs(line: str) -> None:
    error = explained(failure(f"before\n{line}\nafter"), network=False)
    assert error.hint is not None
    assert "tool.reprobuild.input" in error.hint
    assert error.code == 6
    assert "tool.reprobuild.input" in (remark(line, network=False) or "")


@pytest.mark.parametrize("line", NETWORK)
def test_a_hook_that_has_a_network_is_not(line: str) -> None:
    assert explained(failure(line), network=True).hint is None
    assert remark(line, network=True) is None


def test_other_failures_keep_their_words() -> None:
    assert explained(failure("Segmentation fault"), network=False).hint is None
    assert explained(failure(NETWORK[0], hint="its own"), network=False).hint == "its own"
    assert remark("all is well", network=False) is None


def test_programs_with_the_rights_of_their_owner_are_told() -> None:
    entries = [Entry(path="a", mode=0o4755), Entry(path="b", mode=0o2711), Entry(path="c", mode=0o4644)]
    entries += [Entry(path="d", mode=0o755), directory("e", mode=0o2755)]
    assert privileged(Changes(present=tuple(Change(entry=entry) for entry in entries))) == ["a", "b"]
