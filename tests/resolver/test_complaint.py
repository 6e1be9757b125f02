"""What uv says, as errors of ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.errors import AuthenticationError, LockError, MachineError, NetworkError, ReprobuildError
from reprobuild.resolver.complaint import complaint, explanation, wheelless

UNSATISFIABLE = """error: No solution found when resolving dependencies
  cause: Because all versions of c1 depend on beta<1.1 and only the following versions of beta are available:
             beta<=1.0
             beta>=1.1
         we can conclude that all versions of c1 depend on beta<=1.0.
         And because you require c1 and beta>1.0, we can conclude that your requirements are unsatisfiable.
"""
SDIST = """error: No solution found when resolving dependencies
  cause: Because sd==1.0 has no usable wheels and you require sd==1.0, we can conclude that it is unsatisfiable.

hint: Wheels are required for `sd` because building from source is disabled for all packages (i.e., with `--no-build`)
"""


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (UNSATISFIABLE, LockError),
        (SDIST, LockError),
        ("error: Failed to fetch: http://x/\n  cause: dns error", NetworkError),
        ("error: No solution found\n\nhint: Packages were unavailable because the network was disabled.", NetworkError),
        ("error: No solution found\n\nhint: An index returned a 403 Forbidden error.", AuthenticationError),
        (
            "error: No solution found\n\nhint: lack of valid authentication credentials (401 Unauthorized)",
            AuthenticationError,
        ),
        ("error: Failed to initialize cache at `/proc/nope`", MachineError),
        ("error: Failed to parse: `foo bar`", LockError),
        ("", LockError),
    ],
)
def test_the_kind_follows_from_the_words(said: str, kind: type[ReprobuildError]) -> None:
    error = complaint(said, where="source-a")
    assert type(error) is kind
    assert error.where == "source-a"
    assert error.hint


def test_reasons_stand_a_sentence_a_line() -> None:
    assert explanation(UNSATISFIABLE).splitlines() == [
        (
            "Because all versions of c1 depend on beta<1.1 and only the following versions of beta are available: "
            "beta<=1.0, beta>=1.1, we can conclude that all versions of c1 depend on beta<=1.0."
        ),
        "And because you require c1 and beta>1.0, we can conclude that your requirements are unsatisfiable.",
    ]


def test_long_chains_keep_both_ends() -> None:
    chain = "\n         ".join(f"Because {number}, we can conclude that {number}." for number in range(80))
    lines = explanation(f"error: No solution found\n  cause: {chain}\n").splitlines()
    assert len(lines) == 12
    assert lines[0].startswith("Because 0,")
    assert lines[-1].startswith("Because 79,")
    assert lines[6] == "… (69 more steps)"


def test_long_lists_of_versions_are_shortened() -> None:
    versions = "".join(f"\n             beta=={number}" for number in range(50))
    said = f"error: No solution found\n  cause: Because only the following versions of beta are available:{versions}\n"
    assert explanation(said).endswith("beta==0, beta==1, …, beta==48, beta==49")


@pytest.mark.parametrize(
    ("said", "shown", "tag"),
    [
        ("Because sd==1.0 has no usable wheels and", "sd 1.0", None),
        ("Because all versions of sd have no usable wheels", "sd (all versions)", None),
        ("Because sd>=1.1,<=2.0 has no usable wheels", "sd >=1.1,<=2.0", None),
        ("Because am-d==2.0 has no wheels with a matching platform tag (e.g.,", "am-d 2.0", "platform"),
        ("Because ab==1.0 has no wheels with a matching Python ABI tag (e.g.", "ab 1.0", "Python ABI"),
    ],
)
def test_names_what_has_no_wheel(said: str, shown: str, tag: str | None) -> None:
    (found,) = wheelless(said)
    assert (str(found), found.tag) == (shown, tag)


def test_blames_all_that_have_no_wheel_each_once() -> None:
    said = """
  cause: Because all of:
             alpha>=1,<=2
             alpha==4
         have no usable wheels and beta==1 depends on alpha, we can conclude that all of:
             gamma==1
             gamma==2
         depend on alpha. Because delta==3 has no usable wheels and alpha==4 has no usable wheels, no.
"""
    assert [str(one) for one in wheelless(said)] == ["alpha >=1,<=2", "alpha 4", "delta 3"]


def test_blames_no_wheel_without_reason() -> None:
    assert wheelless(UNSATISFIABLE) == ()


@given(st.text(alphabet=st.sampled_from("error: cause\n hint`=<>1.")))
def test_anything_is_an_error_of_a_readable_length(said: str) -> None:
    assert len(str(complaint("error: No solution found\n  cause: " + said)).splitlines()) <= 14
