"""Workspaces, bases and targets for tests, and a progress that remembers."""

from pathlib import Path
from typing import Any

from reprobuild.canonical import digest_of
from reprobuild.lockfile import BaseImage, BasePlatform, Interpreter, Libc
from reprobuild.oci.reference import parse_reference
from reprobuild.oci.types import Platform
from reprobuild.progress import Silent
from reprobuild.target import Target
from reprobuild.workspace import BaseSpec, ConnectorSpec, Workspace

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")
BOTH = (AMD64, ARM64)
GLIBC = Libc(family="glibc", major=2, minor=36)
IMAGE = "docker.io/library/python:3.11"


def target(platform: Platform = AMD64, *, python: str = "3.11.2", libc: Libc = GLIBC) -> Target:
    return Target(platform=platform, python=python, libc=libc)


TARGETS = (target(AMD64), target(ARM64))


def base_image(**changes: Any) -> BaseImage:
    site = "/usr/local/lib/python3.11/dist-packages"
    platform = BasePlatform(
        manifest=digest_of(b"manifest"), config=digest_of(b"config"), size=8, links={}, directories=(), distributions=()
    )
    values: dict[str, Any] = {
        "name": "py",
        "image": IMAGE,
        "index": digest_of(b"index"),
        "python": "3.11.2",
        "pip": None,
        "libc": GLIBC,
        "interpreter": Interpreter(
            executable="/usr/bin/python3.11",
            purelib=site,
            platlib=site,
            scripts="/usr/local/bin",
            include="/usr/local/include/python3.11",
            data="/usr/local",
        ),
        "platforms": dict.fromkeys(BOTH, platform),
    }
    return BaseImage(**(values | changes))


def connector(name: str = "source-a", *requirements: str, **changes: Any) -> ConnectorSpec:
    values: dict[str, Any] = {
        "name": name,
        "version": None,
        "base": "py",
        "requirements": tuple(sorted(requirements)),
        "pins": (),
        "python": None,
        "folder": None,
        "entrypoint": (),
        "env": {},
        "labels": {},
        "workdir": "/airbyte/integration_code",
        "user": None,
        "platforms": BOTH,
        "where": "pyproject.toml",
    }
    return ConnectorSpec(**(values | changes))


def base_spec(**changes: Any) -> BaseSpec:
    values: dict[str, Any] = {
        "name": "py",
        "image": parse_reference(IMAGE),
        "pip": None,
        "timezone": None,
        "env": {},
        "where": "pyproject.toml",
    }
    return BaseSpec(**(values | changes))


def workspace(root: Path, *connectors: ConnectorSpec, bases: tuple[BaseSpec, ...] = ()) -> Workspace:
    return Workspace(
        root=root,
        platforms=BOTH,
        bases={base.name: base for base in bases or (base_spec(),)},
        connectors={one.name: one for one in connectors},
        where="pyproject.toml",
    )


class Heard(Silent):
    """A progress that remembers warnings and the bytes that tasks were told of."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.advanced = 0

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def advance(self, amount: int) -> None:
        self.advanced += amount
