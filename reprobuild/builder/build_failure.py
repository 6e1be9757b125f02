"""A build that failed, in words: the end of what it wrote, and the step that helps in most such cases."""

import re

from reprobuild.engines.execution import ExecutionError
from reprobuild.errors import ContentError
from reprobuild.oci.types import Platform

__all__ = ["build_failure"]

_SHOWN = 12
_WIDTH = 300

_PROGRAMS = r"(?:gcc|g\+\+|cc|c\+\+|clang|make|cmake|ninja|cargo|rustc|gfortran)"
_COMPILER = re.compile(
    rf"\b{_PROGRAMS}['\"]?\b.{{0,40}}(?:not found|No such file)"
    r"|unable to execute|error: command '[^']+' failed: No such file|Unknown compiler"
)
_HEADER = re.compile(r"fatal error: \S+\.h\w*: No such file")
_NETWORK = re.compile(
    r"name resolution|Network is unreachable|Could not resolve|getaddrinfo|URLError|Name or service not known"
    r"|Max retries exceeded|Connection refused"
)
_BACKEND = re.compile(
    r"ModuleNotFoundError|ImportError|AttributeError|InvalidConfigError|InvalidVersion|BackendUnavailable"
)


def build_failure(error: ExecutionError, *, name: str, file: str, platform: Platform) -> ContentError:
    """Return the error to raise for a build of the sdist *file* of the distribution *name* that failed."""
    lines = [line[:_WIDTH] for line in error.output.splitlines() if line.strip()][-_SHOWN:]
    output = "".join(f"\n  {line}" for line in lines)
    end = "ran out of time" if error.code is None else f"failed with exit code {error.code}"
    return ContentError(
        f"its build for {platform} {end}{':' if output else ''}{output}", where=file, hint=_hint(error.output, name)
    )


def _hint(output: str, name: str) -> str:
    if _COMPILER.search(output):
        return 'it needs a compiler: give its base a builder that has one, with `builder = "…"` in its table'
    if _HEADER.search(output):
        return 'it needs header files: give its base a builder that has them, with `builder = "…"` in its table'
    if _NETWORK.search(output):
        return (
            f"a build has no network: take a version of {name} that has wheels, or put a wheel of it on your own index"
        )
    if _BACKEND.search(output):
        return (
            'its build requirements may be too new for it: try `build-constraints = ["setuptools<80"]` in the workspace'
        )
    return f"take a version of {name} that has wheels, or put a wheel of it on an index of your own"
