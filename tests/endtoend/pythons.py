"""The Pythons of this machine, and environments with reprobuild installed in them."""

import os
import subprocess
from pathlib import Path

from uv import find_uv_bin

__all__ = ["find_python", "install", "uv"]


def uv(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run uv to its end, with the user's own cache and indexes; whoever calls looks at how it ended."""
    found = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    # pyenv's shims only say which versions there are.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    path = os.pathsep.join([*(str(folder) for folder in sorted(pyenv.glob("3.1[1-9]*/bin"))), os.environ["PATH"]])
    command = [find_uv_bin(), "--no-config", "--color=never", *map(str, arguments)]
    return subprocess.run(command, env={**found, "PATH": path, **environ}, capture_output=True, text=True, check=False)


def find_python(version: str) -> Path | None:
    """Return the Python *version* (``3.12``) of this machine, None if it has none; nothing is downloaded."""
    done = uv("python", "find", "--system", "--no-project", "--no-python-downloads", version)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def install(python: Path, folder: Path, *what: str | Path) -> Path:
    """Make an environment of *python* in *folder* with *what* installed, and return its Python."""
    made = uv("venv", "--python", python, folder)
    assert made.returncode == 0, made.stderr
    if what:
        done = uv("pip", "install", "--python", folder / "bin" / "python", *what)
        assert done.returncode == 0, done.stderr
    return folder / "bin" / "python"
