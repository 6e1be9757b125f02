"""What a hook's process sees of the machine: an environment that is the same everywhere, and no files.

This keeps honest hooks honest: what would differ on another machine fails and says so. It is no sandbox.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator

from ._session import current

__all__ = ["guard"]

_INPUT = (
    "hooks see no files of this machine: declare it as [[tool.reprobuild.input]], or as [[tool.reprobuild.secret]] "
    "if no image may have it; texts are written with with_new_file"
)
_PROGRAM = "programs run in the image: use with_exec"
_NETWORK = "hooks have no network: declare what they download as [[tool.reprobuild.input]]"

_EVENTS = {
    "subprocess.Popen": _PROGRAM,
    "os.system": _PROGRAM,
    "os.exec": _PROGRAM,
    "os.posix_spawn": _PROGRAM,
    "os.spawn": _PROGRAM,
    "os.fork": _PROGRAM,
    "os.forkpty": _PROGRAM,
    "pty.spawn": _PROGRAM,
    "ctypes.dlopen": _PROGRAM,
    "os.kill": _PROGRAM,
    "socket.connect": _NETWORK,
    "socket.bind": _NETWORK,
    "socket.sendto": _NETWORK,
    "socket.getaddrinfo": _NETWORK,
    "socket.gethostbyname": _NETWORK,
    "socket.gethostname": "the name of this machine is not to get into an image",
    "os.mkdir": _INPUT,
    "os.remove": _INPUT,
    "os.rename": _INPUT,
    "os.rmdir": _INPUT,
    "os.link": _INPUT,
    "os.symlink": _INPUT,
    "os.chmod": _INPUT,
    "os.chown": _INPUT,
    "os.truncate": _INPUT,
    "os.chdir": _INPUT,
}
"""Audit events of CPython's that are refused, with what to do instead."""

_FILES = {"open", "os.listdir", "os.scandir"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_DEVICES = {"/dev/null", "/dev/urandom"}


def guard() -> None:
    """Let the hook see no more than Python itself, from now on and for good."""
    os.environ = _Environ(os.environ)  # noqa: B003 - it is the same one, watched
    places = tuple(place.rstrip("/") + "/" for place in sys.path)

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event in _FILES:
            _judge(event, arguments, places)
        elif event in _EVENTS:
            raise current.refuse(f"hooks cannot do this here: {event} {_shown(arguments)}".rstrip(), _EVENTS[event])

    sys.addaudithook(hear)


def _judge(event: str, arguments: tuple[object, ...], places: tuple[str, ...]) -> None:
    """Raise unless a file or folder of Python's own is read."""
    path = arguments[0]
    if isinstance(path, int):
        return
    name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else "."
    if name == current.hook:
        # Python looks for it by itself, to quote a line that is at fault.
        raise FileNotFoundError(errno.ENOENT, "hooks see no files of this machine", name)
    writing = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & _WRITING)
    if name in _DEVICES or (not writing and f"{name}/".startswith(places) and ".." not in name):
        return
    raise current.refuse(f"hooks cannot {'write' if writing else 'read'} {name}", _INPUT)


def _shown(arguments: tuple[object, ...]) -> str:
    return ", ".join(str(one)[:80] for one in arguments[:2] if isinstance(one, str | int | list | tuple))


class _Environ(type(os.environ)):  # type: ignore[misc]
    """The environment, which tells of the variables that the hook asks for and that are not there."""

    def __init__(self, environ: os._Environ[str]) -> None:
        self.__dict__.update(environ.__dict__)

    def __getitem__(self, name: str) -> str:
        try:
            return str(super().__getitem__(name))
        except KeyError:
            if _asked_by_hook():
                current.miss(name)
            raise

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(super().__iter__()))


def _asked_by_hook() -> bool:
    frame = sys._getframe(2)  # noqa: SLF001
    while frame.f_back is not None and frame.f_globals.get("__name__") in {"os", "collections.abc", __name__}:
        frame = frame.f_back
    return frame.f_code.co_filename == current.hook
