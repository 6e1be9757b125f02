"""Which OCI runtime there is."""

import shutil
from collections.abc import Mapping

from reprobuild.errors import MachineError

__all__ = ["RUNTIMES", "VARIABLE", "find_runtime"]

RUNTIMES = ("runc", "crun")
"""In the order in which they are looked for."""
VARIABLE = "REPROBUILD_RUNTIME"


def find_runtime(environ: Mapping[str, str]) -> str:
    """Return the path of the runtime that *environ* names, or of one that is installed; raise MachineError if none.

    What the variable names is runc or crun, or works as runc does.
    """
    # Users other than root often lack the folders that Debian has runc in.
    path = f"{environ.get('PATH', '')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    chosen = environ.get(VARIABLE)
    for name in (chosen,) if chosen else RUNTIMES:
        if found := shutil.which(name, path=path):
            return found
    if chosen:
        raise MachineError(f"no such program: {chosen}", where=VARIABLE, hint="name runc or crun, or unset it")
    raise MachineError(
        "there is no OCI runtime on this machine: neither runc nor crun",
        hint="install one (apt-get install runc), or name one with REPROBUILD_RUNTIME",
    )
