"""Whom a program runs as, by the image's own files."""

import pytest

from reprobuild.builder.account import Account, account_of
from reprobuild.errors import SpecificationError

PASSWD = b"root:x:0:0:root:/root:/bin/sh\nairbyte:x:1000:1001::/home/airbyte:/bin/sh\nbroken\nodd:x:no:1:::\n"
GROUP = b"root:x:0:\nairbyte:x:1001:\nextra:x:50:airbyte,other\nnone:x::\n"


@pytest.mark.parametrize(
    ("user", "account"),
    [
        ("", Account(uid=0, gid=0, home="/root")),
        ("root", Account(uid=0, gid=0, home="/root")),
        ("airbyte", Account(uid=1000, gid=1001, groups=(50,), home="/home/airbyte")),
        ("1000", Account(uid=1000, gid=1001, groups=(50,), home="/home/airbyte")),
        ("airbyte:extra", Account(uid=1000, gid=50, home="/home/airbyte")),
        ("1000:7", Account(uid=1000, gid=7, home="/home/airbyte")),
        ("4242", Account(uid=4242, gid=0, home="/")),
        ("4242:4243", Account(uid=4242, gid=4243, home="/")),
    ],
)
def test_users_are_found(user: str, account: Account) -> None:
    assert account_of(user, PASSWD, GROUP, where="hook") == account


@pytest.mark.parametrize(("user", "message"), [("nobody", "no user 'nobody'"), ("root:staff", "no group 'staff'")])
def test_names_that_the_image_lacks_are_refused(user: str, message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        account_of(user, PASSWD, GROUP, where="hook")


def test_numbers_need_no_files() -> None:
    assert account_of("5:6", b"", b"", where="hook") == Account(uid=5, gid=6, home="/")
