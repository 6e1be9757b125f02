"""Versions as programs tell them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprobuild.contract.version import agrees, told_version


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)\nCopyright (C) 2022", "5.2.15"),
        ("Python 3.11.2\n", "3.11.2"),
        ("Python 3.14.0rc2\n", "3.14.0rc2"),
        ("pip 25.3 from /usr/lib/python3.11/dist-packages/pip (python 3.11)", "25.3"),
        ("curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1 OpenSSL/3.0.15", "7.88.1"),
        ("OpenSSL 1.1.1n  15 Mar 2022", "1.1.1n"),
        ("gcc (Debian 12.2.0-14) 12.2.0\n", "12.2.0"),
        ("git version 2.39.2", "2.39.2"),
        ("tesseract 5.3.0\n leptonica-1.82.0", "5.3.0"),
        ("v18.19.0", "18.19.0"),
        ("less 590 (GNU regular expressions)", "590"),
        ("socat by Gerhard Rieger and contributors - see www.dest-unreach.org\nsocat version 1.7.4.4 on", "1.7.4.4"),
        ("no version", None),
        ("", None),
        ("x" * 20_000 + " 1.2", None),
    ],
)
def test_what_is_told(output: str, version: str | None) -> None:
    assert told_version(output) == version


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("5.2.15", "*"),
        ("5.2.15", "5.2.*"),
        ("5.2", "5.2.*"),
        ("5.2.15", "5.2.15"),
        ("5.2", "5.2.0"),
        ("1.1.1n", "1.1.*"),
        ("1.1.1n", "1.1.1n"),
        ("3.14.0rc2", ">=3.13"),
        ("1.7.4.4", ">=1.7,<2"),
        ("590", "590"),
    ],
)
def test_agreeing(version: str, wanted: str) -> None:
    assert agrees(version, wanted)


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("5.20.1", "5.2.*"),
        ("5.2.15", "5.2"),
        ("5.2.15", "5.3.*"),
        ("1.1.1n", "1.1.1"),
        ("1.1.1n", ">=1"),
        ("2.0", ">=1.7,<2"),
        ("2.0", "== nonsense"),
    ],
)
def test_disagreeing(version: str, wanted: str) -> None:
    assert not agrees(version, wanted)


@given(st.text(), st.text())
def test_nothing_breaks_it(output: str, wanted: str) -> None:
    version = told_version(output)
    assert version is None or isinstance(agrees(version, wanted), bool)
