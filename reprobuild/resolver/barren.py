"""A Python that tells uv what it is and runs nothing: with it, uv counts sdists in and cannot build them.

uv asks an interpreter once what it is; whatever it runs later, it runs by the path that the answer names. Here that
is a program that refuses. An sdist that says by itself what it requires (metadata 2.2) is understood all the same;
one that would have to be built makes uv end and name it.
"""

import shlex
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from reprobuild.canonical import digest_of, hex_of
from reprobuild.store import Store, machine_errors

__all__ = ["barren_python"]

_REFUSAL = "#!/bin/sh\necho 'reprobuild: no sdist is built outside of the sandbox' >&2\nexit 1\n"


def barren_python(store: Store) -> Path:
    """Return the path of such a Python, made from this one; it stays in *store*, since uv remembers what it is told."""
    command = shlex.join([sys.executable, "-I", str(Path(__file__).with_name("barren_python.py").absolute())])
    programs = {"python3": f'#!/bin/sh\nexec {command} "${{0%/*}}/refusal" "$@"\n', "refusal": _REFUSAL}
    folder = store.root / "python" / hex_of(digest_of("".join(programs.values()).encode()))[:16]
    if not folder.exists():
        with machine_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=".tmp-", dir=folder.parent))
            made.chmod(0o755)
            for name, text in programs.items():
                (made / name).write_text(text)
                (made / name).chmod(0o755)
            with suppress(OSError):  # Somebody else was faster.
                made.rename(folder)
            shutil.rmtree(made, ignore_errors=True)
    return folder / "python3"
