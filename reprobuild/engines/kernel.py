"""What Linux is asked for that Python 3.11 has no function for: namespaces, mounts, the parent's death.

Every function raises OSError as those of ``os`` do.
"""

import ctypes
import os

__all__ = ["MountFlag", "Namespace", "adopt_orphans", "end_with_parent", "enter", "mount", "unmount", "unshare"]


class Namespace:
    """Flags of unshare(2)."""

    MOUNT = 0x00020000
    USER = 0x10000000
    PID = 0x20000000


class MountFlag:
    """Flags of mount(2)."""

    READ_ONLY = 0x1
    NO_SETUID = 0x2
    NO_DEVICES = 0x4
    NO_PROGRAMS = 0x8
    REMOUNT = 0x20
    NO_ACCESS_TIMES = 0x400
    BIND = 0x1000
    RECURSIVE = 0x4000
    PRIVATE = 0x40000


_DETACH = 2
_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36


def unshare(namespaces: int) -> None:
    """Enter new *namespaces*; of a new PID namespace the next child is the first process."""
    _call("unshare", ctypes.c_int(namespaces))


def enter(handle: int, namespaces: int) -> None:
    """Enter the namespace of *handle*, of a file below /proc/PID/ns; a PID namespace is the next child's."""
    _call("setns", ctypes.c_int(handle), ctypes.c_int(namespaces))


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount *source*, of the *kind* of file system, at *target*; *options* may have one page, 4095 bytes."""
    names = (source, target, kind)
    places = [ctypes.c_char_p(os.fsencode(name)) for name in names]
    _call("mount", *places, ctypes.c_ulong(flags), ctypes.c_char_p(os.fsencode(options)), place=target)


def unmount(target: str) -> None:
    """Take away what is mounted at *target*, as soon as nobody uses it any more."""
    _call("umount2", ctypes.c_char_p(os.fsencode(target)), ctypes.c_int(_DETACH), place=target)


def end_with_parent(signal: int) -> None:
    """Have *signal* sent to this program when the one that started it ends."""
    _call("prctl", ctypes.c_int(_SET_PARENT_DEATH_SIGNAL), ctypes.c_ulong(signal))


def adopt_orphans() -> None:
    """Become the parent of what descendants leave behind."""
    _call("prctl", ctypes.c_int(_SET_CHILD_SUBREAPER), ctypes.c_ulong(1))


def _call(name: str, *arguments: object, place: str | None = None) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library[name](*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place)
