import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.oci.challenge import Challenge, parse_challenges

_TOKENS = st.text(string.ascii_lowercase + string.digits + "!#$%&'*+.^_`|~-", min_size=1, max_size=12)
_SCHEMES = st.sampled_from(["basic", "bearer", "digest", "negotiate", "x-own"])
_CHALLENGES = st.builds(
    lambda scheme, parameters: Challenge(scheme=scheme, parameters=parameters),
    _SCHEMES,
    st.dictionaries(_TOKENS, st.text(max_size=30), max_size=4),
)


def _written(challenge: Challenge) -> str:
    quoted = (
        f'{name}="{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"'
        for name, value in challenge.parameters.items()
    )
    return f"{challenge.scheme} {', '.join(quoted)}".strip()


@given(st.lists(_CHALLENGES, max_size=4))
def test_what_is_written_is_read_from_one_header(challenges: list[Challenge]) -> None:
    assert parse_challenges([", ".join(map(_written, challenges))]) == tuple(challenges)


@given(st.lists(_CHALLENGES, max_size=4))
def test_what_is_written_is_read_from_several_headers(challenges: list[Challenge]) -> None:
    assert parse_challenges(map(_written, challenges)) == tuple(challenges)


@given(st.text(max_size=300) | st.text(alphabet=' ,="\\aB', max_size=300))
def test_no_header_is_too_strange(header: str) -> None:
    for challenge in parse_challenges([header]):
        assert challenge.scheme == challenge.scheme.lower()


def test_a_long_header_takes_no_time() -> None:
    parse_challenges(["Bearer " + "a=" * 50_000, 'Bearer a="' + "\\" * 100_001, "Bearer " + "a" * 100_000 + "=\x00"])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic", [Challenge(scheme="basic")]),
        ('BASIC realm="x"', [Challenge(scheme="basic", parameters={"realm": "x"})]),
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
            [
                Challenge(
                    scheme="bearer",
                    parameters={"realm": "https://auth.docker.io/token", "service": "registry.docker.io"},
                )
            ],
        ),
        (
            "Bearer Realm=https://a/t?b=c,service=d",
            [Challenge(scheme="bearer", parameters={"realm": "https://a/t?b=c", "service": "d"})],
        ),
        (
            'Negotiate YWJj==, Basic realm="a, b", charset=utf-8',
            [
                Challenge(scheme="negotiate"),
                Challenge(scheme="basic", parameters={"realm": "a, b", "charset": "utf-8"}),
            ],
        ),
        ('realm="no scheme"', []),
        ('Bearer realm="broken', [Challenge(scheme="bearer")]),
        ("", []),
    ],
)
def test_headers_as_registries_send_them(header: str, expected: list[Challenge]) -> None:
    assert list(parse_challenges([header])) == expected


def test_the_first_of_two_parameters_counts() -> None:
    (challenge,) = parse_challenges(["Bearer realm=a, realm=b"])
    assert challenge.parameters == {"realm": "a"}
