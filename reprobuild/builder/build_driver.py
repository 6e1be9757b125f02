"""Unpacks an sdist and has its backend build a wheel: the program of a build, run by the builder base's own Python.

It is mounted into the sandbox and imported by nothing; whatever Python 3.8 or later the base has must be able to run
it. Standard input is JSON: the sdist's path, the backend of its ``pyproject.toml`` and the backend's folders, and the
task, ``requires`` or ``wheel``. The answer is in /build/out; everything else that was written is removed again.
"""

import importlib
import json
import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

__all__ = ["main"]

SOURCE = Path("/build/src")
OUT = Path("/build/out")
HOME = Path("/build/home")


def place(path: Path, data: bytes, mode: int) -> None:
    """Write a file of the sdist with permissions and a time that no archive decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o755 if mode & 0o111 else 0o644)
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    os.utime(path, (epoch, epoch))


def unpack_tar(sdist: str) -> None:
    """Unpack a tar, however compressed; what is neither file, folder nor link is no part of an sdist."""
    with tarfile.open(sdist) as archive:
        for member in archive:
            path = SOURCE / member.name
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            elif member.issym():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(member.linkname)
            else:
                content = archive.extractfile(member)
                if content is not None:
                    place(path, content.read(), member.mode)


def unpack_zip(sdist: str) -> None:
    """Unpack a zip."""
    with zipfile.ZipFile(sdist) as archive:
        for member in archive.infolist():
            if not member.filename.endswith("/"):
                place(SOURCE / member.filename, archive.read(member), member.external_attr >> 16)


def unpacked(sdist: str) -> Path:
    """Unpack the sdist and return the one folder that is in it."""
    os.umask(0o022)
    for folder in (SOURCE, OUT, HOME):
        folder.mkdir(parents=True)
    (unpack_zip if sdist.endswith(".zip") else unpack_tar)(sdist)
    folders = sorted(path for path in SOURCE.iterdir() if path.is_dir())
    if len(folders) != 1:
        sys.exit("reprobuild: the sdist does not hold exactly one folder")
    return folders[0]


def main() -> None:
    """Do the task that standard input tells."""
    task = json.load(sys.stdin)
    folder = unpacked(task["sdist"])
    os.chdir(str(folder))
    hooks = importlib.import_module("pyproject_hooks")
    backend = hooks.BuildBackendHookCaller(str(folder), task["backend"], backend_path=task["backend_path"])
    if task["task"] == "requires":
        found = backend.get_requires_for_build_wheel()
        (OUT / "requires.json").write_text(json.dumps(sorted(found)))
    else:
        backend.build_wheel(str(OUT))
    os.chdir("/")
    for rest in (SOURCE, HOME):
        shutil.rmtree(str(rest), ignore_errors=True)


if __name__ == "__main__":
    main()
