"""What commands install or fetch: OS packages, Python distributions and files, and whether they say which exactly."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["INSTALLERS", "Install", "installs", "os_package"]

INSTALLERS = frozenset({"pip", "setuptools", "wheel", "uv", "poetry", "pipenv", "pdm"})
"""Distributions that images have to install others with."""

_OS = {
    "apt-get": "install", "apt": "install", "aptitude": "install", "apk": "add", "dnf": "install", "yum": "install",
    "microdnf": "install", "tdnf": "install", "zypper": "install",
}  # fmt: skip
_OS_VALUES = frozenset(
    {"-t", "--target-release", "--default-release", "-o", "--option", "-c", "--config-file", "--virtual", "-X"}
    | {"--repository", "--root", "-p", "--keys-dir", "--repositories-file", "--arch", "--setopt", "--releasever"}
)
_PIP_VALUES = frozenset(
    {"-i", "--index-url", "--extra-index-url", "--prefix", "--target", "-t", "--root", "-f", "--find-links", "--src"}
    | {"--platform", "--python-version", "--implementation", "--abi", "--only-binary", "--no-binary", "--cache-dir"}
    | {"--log", "--timeout", "--retries", "--proxy", "--progress-bar", "--trusted-host", "--cert", "--client-cert"}
    | {"--python", "--upgrade-strategy", "--config-settings", "-C", "--exists-action", "-c", "--constraint"}
)
_ADDRESS = re.compile(r"(?:https?|ftp)://\S+")
_CHECKS = frozenset({"sha256sum", "sha384sum", "sha512sum", "shasum", "gpg", "gpgv", "cosign", "minisign"})
_EXACT = re.compile(r"[A-Za-z0-9._-]+(?:\[[^]]*\])?\s*={2,3}\s*[^\s*]+")
_PACKAGE = re.compile(r"([^=<>~:@/]+)(?::[a-z0-9]+)?(?:=([^*=<>~]+(?:~[^*=<>~]+)*))?")
_REVISION = re.compile(r"@[0-9a-f]{40}(?:#|$)|[#&]sha(?:256|384|512)=[0-9a-f]{64,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """Something that a command brings in. *kind* is os, pip or download; *pinned*: always the same, by version or hash.

    ``-r FILE`` stands for what a file lists, ``.`` for what lies in the folder, with what it requires.
    """

    kind: str
    name: str
    pinned: bool


def installs(commands: Iterable[Sequence[str]]) -> Iterator[Install]:
    """Yield what *commands*, those of one instruction, bring in."""
    every = [tuple(command) for command in commands]
    checked = any(_program(command) in _CHECKS for command in every)
    for command in every:
        program, rest = _program(command), list(command[1:])
        if program in _OS:
            yield from _os_packages(program, rest)
        elif (arguments := _pip_arguments(program, rest)) is not None:
            yield from _distributions(arguments)
        elif program in {"curl", "wget"}:
            for word in rest:
                if _ADDRESS.match(word):
                    yield Install(kind="download", name=word, pinned=checked)


def os_package(text: str) -> tuple[str, str]:
    """Return name and version, empty if several will do, of the OS package that *text* (``jq=1.6-2``) installs."""
    found = _PACKAGE.fullmatch(text)
    return (found[1], found[2] or "") if found else (re.split(r"[=<>~:@/]", text)[0], "")


def _program(command: Sequence[str]) -> str:
    return command[0].rpartition("/")[2]


def _plain(arguments: Sequence[str], values: frozenset[str]) -> Iterator[str]:
    """Yield the arguments that are neither options nor the values of some."""
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif word.startswith("-") and word != "-":
            skip = word in values
        else:
            yield word


def _os_packages(program: str, arguments: Sequence[str]) -> Iterator[Install]:
    words = list(_plain(arguments, _OS_VALUES))
    if not words or words[0] not in {_OS[program], "in" if program == "zypper" else _OS[program]}:
        return
    for word in words[1:]:
        exact = "=" in word and not re.search(r"[~<>]", word)
        if program in {"dnf", "yum", "microdnf", "tdnf", "zypper"}:
            exact = exact or re.search(r"-\d[^-]*-[^-]+$", word) is not None
        yield Install(kind="os", name=word, pinned=exact and "*" not in word)


def _pip_arguments(program: str, arguments: list[str]) -> list[str] | None:
    """Return what follows ``pip install``, however that is written; None for other commands."""
    if re.fullmatch(r"python[0-9.]*|pypy[0-9.]*", program) and arguments[:2] == ["-m", "pip"]:
        program, arguments = "pip", arguments[2:]
    elif program == "uv" and arguments[:1] == ["pip"]:
        program, arguments = "pip", arguments[1:]
    if re.fullmatch(r"pip[0-9.]*", program) is None or "install" not in arguments:
        return None
    return arguments[arguments.index("install") + 1 :]


def _distributions(arguments: Sequence[str]) -> Iterator[Install]:
    hashes, alone = "--require-hashes" in arguments, "--no-deps" in arguments
    for file in _files(arguments):
        yield Install(kind="pip", name=f"-r {file}", pinned=hashes)
    for word in _plain(arguments, _PIP_VALUES | {"-r", "--requirement", "-e", "--editable"}):
        exact = _EXACT.fullmatch(word) is not None or _REVISION.search(word) is not None
        local = re.match(r"[./]|file:", word) is not None
        yield Install(kind="pip", name=word, pinned=exact or (local and alone))
    for at, word in enumerate(arguments[:-1]):
        if word in {"-e", "--editable"}:
            yield Install(kind="pip", name=f"-e {arguments[at + 1]}", pinned=alone)


def _files(arguments: Sequence[str]) -> Iterator[str]:
    for at, word in enumerate(arguments):
        if word in {"-r", "--requirement"} and at + 1 < len(arguments):
            yield arguments[at + 1]
        elif word.startswith("--requirement="):
            yield word.partition("=")[2]
        elif word.startswith("-r") and len(word) > 2:
            yield word[2:]
