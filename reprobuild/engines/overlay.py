"""The root filesystem of an execution: layers' directories under an overlay, what is written beside them.

Mounts are in the caller's own mount namespace and vanish with it. Options: kernel, filesystems/overlayfs.rst.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from reprobuild.engines.flavour import Flavour
from reprobuild.engines.kernel import MountFlag, mount
from reprobuild.errors import MachineError, SpecificationError

__all__ = ["MOST_LAYERS", "mount_changing", "mount_unchanging", "no_overlay"]

MOST_LAYERS = 127
"""As many as container engines count on."""


def mount_unchanging(lower: Sequence[Path], place: Path, names: Path, flavour: Flavour) -> None:
    """Mount what *lower*, lowest first, add up to at *place*, read-only.

    *names* is an empty directory for short names: all options must fit into one page.
    """
    if len(lower) > MOST_LAYERS:
        raise SpecificationError(f"{len(lower)} layers, more than {MOST_LAYERS} cannot be mounted")
    # An overlay without an upper directory wants two lower ones.
    empty = names / "empty"
    empty.mkdir()
    options = [f"lowerdir={_short([empty, *_seen(lower, flavour)], names)}", *_settings(flavour)]
    _mount(place, MountFlag.READ_ONLY | MountFlag.NO_DEVICES, options, names)


def mount_changing(lower: Sequence[Path], upper: Path, place: Path, names: Path, flavour: Flavour) -> None:
    """Mount what *lower*, lowest first, add up to at *place*; what is written goes to ``changes`` in *upper*.

    *upper* also gets ``work``, for overlayfs itself; both are on one file system. *names* is as above.
    """
    for name in ("changes", "work"):
        (upper / name).mkdir(exist_ok=True)
        (names / name).symlink_to(upper / name)
    options = [f"lowerdir={_short(_seen(lower, flavour), names)}", "upperdir=changes", "workdir=work", "volatile"]
    _mount(place, MountFlag.NO_DEVICES | MountFlag.NO_ACCESS_TIMES, [*options, *_settings(flavour)], names)


def no_overlay(error: OSError, where: str) -> MachineError:
    """Return what to raise when *error* came of making an overlay filesystem at *where*, or a part of one."""
    return MachineError(
        f"an overlay filesystem cannot be made: {error.strerror}",
        where=where,
        hint="Linux 5.11 or later is needed, and a store on a local file system such as ext4, XFS or tmpfs, "
        "not on an overlay itself: point REPROBUILD_STORE to one",
    )


def _seen(lower: Sequence[Path], flavour: Flavour) -> list[Path]:
    """Return *lower* topmost first, without those below one that hides them all: of roots overlayfs does not ask."""
    found: list[Path] = []
    for path in reversed(lower):
        found.append(path)
        if f"{flavour.xattrs}opaque" in os.listxattr(path):
            break
    return found


def _short(directories: Sequence[Path], names: Path) -> str:
    for number, path in enumerate(directories):
        (names / str(number)).symlink_to(path.absolute())
    return ":".join(str(number) for number in range(len(directories)))


def _settings(flavour: Flavour) -> list[str]:
    # Whatever the kernel's defaults are: a directory that moved must be seen as made anew, a file with its bytes.
    if flavour.whole:
        return ["redirect_dir=off", "metacopy=off", "index=off", "xino=off"]
    return ["userxattr", "index=off", "xino=off"]


def _mount(place: Path, flags: int, options: Sequence[str], names: Path) -> None:
    os.chdir(names)
    try:
        mount("overlay", str(place), "overlay", flags, ",".join(options))
    except OSError as error:
        raise no_overlay(error, str(place)) from error
    finally:
        os.chdir("/")
