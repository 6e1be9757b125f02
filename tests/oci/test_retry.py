import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.errors import NetworkError
from reprobuild.oci.retry import Patience, Tries, retry_after

NOW = 784111777.0
"""Sun, 06 Nov 1994 08:49:37 GMT."""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
        ("Sun Nov  6 08:49:47 1994", 10.0),
        ("Sun, 06 Nov 1994 08:49:27 GMT", 0.0),
        ("9" * 5000, 60.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(value, now=NOW) == seconds


@given(st.text(max_size=60))
def test_no_retry_after_is_too_strange(value: str) -> None:
    seconds = retry_after(value, now=NOW)
    assert seconds is None or seconds >= 0


def test_what_is_asked_is_waited_up_to_a_minute() -> None:
    patience = Patience(now=lambda: NOW)
    assert patience.delay(0, "7") == 7
    assert patience.delay(0, "Sun, 06 Nov 1994 08:49:47 GMT") == 10
    assert patience.delay(0, "3600") == 60


def test_waits_double_with_jitter_up_to_a_minute() -> None:
    longest = [Patience(chance=lambda: 1.0).delay(count, None) for count in range(9)]
    assert longest == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert Patience(chance=lambda: 0.0).delay(1, "nonsense") == 0.5


@pytest.mark.anyio
async def test_the_last_try_raises() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    tries = Tries(Patience(tries=3, sleep=sleep, chance=lambda: 1.0))
    await tries.again(NetworkError("first"))
    await tries.again(NetworkError("second"), "9")
    with pytest.raises(NetworkError, match=r"third \(tried 3 times\)"):
        await tries.again(NetworkError("third"))
    assert waited == [0.5, 9]
