"""A contract held against an image: Expectations and Facts → Findings. Pure, and nothing is executed."""

from collections.abc import Iterator

from reprobuild.builder.account import Account
from reprobuild.contract.access import Wish, refusal
from reprobuild.contract.facts import Facts
from reprobuild.contract.finding import Finding
from reprobuild.contract.packages import installed_packages
from reprobuild.contract.timezone import timezone_fault
from reprobuild.contract.version import agrees
from reprobuild.workspace.expect import Expectations, ExpectedUser

__all__ = ["check_base", "check_image", "command_path", "runs_as"]


def check_base(expectations: Expectations, facts: Facts) -> tuple[Finding, ...]:
    """Return what became of every check of *expectations* that config and files of a base image answer."""
    return (*check_image(expectations, facts), *_entrypoint(expectations, facts))


def check_image(expectations: Expectations, facts: Facts) -> tuple[Finding, ...]:
    """Return the same for an image that was built on the base: without the entrypoint, which is a connector's own.

    Where *facts* have no files, the checks that need them are left out.
    """
    return (
        *_timezone(expectations, facts),
        *_versions(expectations, facts),
        *_user(expectations.user, facts),
        *_env(expectations, facts),
        *_labels(expectations, facts),
        *_paths(expectations, facts),
        *_commands(expectations, facts),
        *_packages(expectations, facts),
    )


def runs_as(expectations: Expectations, facts: Facts) -> str:
    """Return the user whom paths and commands are checked for."""
    if expectations.run_as is not None:
        return expectations.run_as
    return expectations.user.name if expectations.user is not None else facts.user


def command_path(facts: Facts, command: str, account: Account) -> tuple[str | None, str]:
    """Return where *account* finds *command* on PATH, or None and in words why it does not: execvp(3)."""
    why = f"is in none of {':'.join(facts.path)}"
    for folder in facts.path:
        path = f"{folder}/{command}"
        if facts.tree is None or facts.tree.find(path) is None:
            continue
        refused = refusal(facts.tree, path, account, "execute")
        if refused is None:
            return path, ""
        why = refused
    return None, why


def _finding(check: str, fault: str | None, found: str = "") -> Finding:
    """Return a check that failed for *fault*, or passed if there is none."""
    if fault is None:
        return Finding(check=check, outcome="passed", found=found)
    return Finding(check=check, outcome="failed", found=fault)


def _timezone(expectations: Expectations, facts: Facts) -> Iterator[Finding]:
    wanted = expectations.timezone
    told = facts.tree is not None or facts.timezone is not None or "TZ" in facts.env
    if wanted is not None and told:
        yield _finding(f"timezone {wanted}", timezone_fault(facts, wanted))


def _versions(expectations: Expectations, facts: Facts) -> Iterator[Finding]:
    for what, wanted, found in (
        ("python", expectations.python, facts.python),
        ("pip", expectations.pip, facts.pip),
    ):
        if wanted is not None:
            fault = None if found is not None and agrees(found, wanted) else f"it has {found or 'none'}"
            yield _finding(f"{what} {wanted}", fault)


def _user(wanted: ExpectedUser | None, facts: Facts) -> Iterator[Finding]:
    if wanted is None or facts.tree is None:
        return
    account = facts.account(wanted.name)
    if account is None:
        there = "has no such user" if facts.content("/etc/passwd") else "is missing, empty or no file"
        yield _finding(f"user {wanted.name}", f"/etc/passwd {there}")
        return
    ids = (("uid", wanted.uid, account.uid), ("gid", wanted.gid, account.gid))
    others = [
        f"its {what} is {found}, not {expected}" for what, expected, found in ids if expected not in {None, found}
    ]
    yield _finding(f"user {wanted.name}", ", ".join(others) or None)


def _env(expectations: Expectations, facts: Facts) -> Iterator[Finding]:
    for name, value in expectations.env.items():
        found = facts.env.get(name)
        fault = "it is not set" if found is None else f"it is {found[:200]!r}, not {value[:200]!r}"
        yield _finding(f"env {name}", None if found == value else fault)
    for name in expectations.env_present:
        if name not in expectations.env:
            yield from _env_present(name, facts)


def _env_present(name: str, facts: Facts) -> Iterator[Finding]:
    is_set = name in facts.env
    if not is_set and name == "HOME":
        # Runtimes take it from /etc/passwd; where the files are not known, they have been looked at with the base.
        if facts.tree is None:
            return
        is_set = facts.account(facts.user) is not None
    yield _finding(f"env {name}", None if is_set else "it is not set")


def _labels(expectations: Expectations, facts: Facts) -> Iterator[Finding]:
    for name, value in expectations.labels.items():
        found = facts.labels.get(name)
        fault = "it is not there" if found is None else f"it is {found[:200]!r}, not {value[:200]!r}"
        yield _finding(f"label {name}", None if found == value else fault)


def _entrypoint(expectations: Expectations, facts: Facts) -> Iterator[Finding]:
    wanted = expectations.entrypoint
    if wanted is not None:
        found = f"it is {' '.join(facts.entrypoint)[:200]!r}" if facts.entrypoint else "it has none"
        yield _finding("entrypoint", None if facts.entrypoint == wanted else found)


def _paths(expectations: Expectations, facts: Facts) -> Iterator[Finding]:
    if facts.tree is None:
        return
    user = runs_as(expectations, facts)
    account = facts.account(user)
    wishes: tuple[tuple[str, Wish, tuple[str, ...]], ...] = (
        ("readable", "read", expectations.readable),
        ("writable", "write", expectations.writable),
        ("not-writable", "write", expectations.not_writable),
    )
    for check, wish, paths in wishes:
        for path in paths:
            if account is None:
                fault: str | None = f"there is no user {user}"
            elif check == "not-writable":
                fault = _writable(facts, path, account)
            else:
                fault = refusal(facts.tree, path, account, wish)
            yield _finding(f"{check} {path}", fault)


def _writable(facts: Facts, path: str, account: Account) -> str | None:
    """Return in words that *path* can be written, or is missing; None if it cannot."""
    found = facts.tree.find(path) if facts.tree is not None else None
    if facts.tree is None or found is None:
        return f"there is no {path}"
    if refusal(facts.tree, path, account, "write") is not None:
        return None
    node = found.node
    owned = f"belongs to {node.uid}:{node.gid} with mode {node.mode:04o}"
    more = "; root may write to everything" if account.uid == 0 else ""
    return f"/{found.path} {owned}: {account.uid}:{account.gid} may write to it{more}"


def _commands(expectations: Expectations, facts: Facts) -> Iterator[Finding]:
    if facts.tree is None or not expectations.commands:
        return
    user = runs_as(expectations, facts)
    account = facts.account(user)
    for command in expectations.commands:
        if account is None:
            yield _finding(f"command {command}", f"there is no user {user}")
        else:
            path, why = command_path(facts, command, account)
            yield _finding(f"command {command}", None if path else why, found=path or "")


def _packages(expectations: Expectations, facts: Facts) -> Iterator[Finding]:
    if facts.tree is None or not expectations.os_packages:
        return
    packages = installed_packages(facts)
    for name, wanted in expectations.os_packages.items():
        check = f"os-package {name}" + ("" if wanted == "*" else f" {wanted}")
        if packages is None:
            yield _finding(check, "neither dpkg nor apk has a database in it")
        elif name not in packages:
            yield _finding(check, "it is not installed")
        else:
            fits = any(_fits(version, wanted) for version in packages[name])
            yield _finding(check, None if fits else f"it is {' and '.join(sorted(packages[name]))}")


def _fits(version: str, wanted: str) -> bool:
    return version.startswith(wanted[:-1]) if wanted.endswith("*") else version == wanted
