"""Whether there is a Dagger engine to execute on, and whether it and its Python library belong together."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from reprobuild.cli.finding import Finding, Mark
from reprobuild.errors import ReprobuildError

__all__ = ["dagger_finding"]

_NAMING = ("_EXPERIMENTAL_DAGGER_RUNNER_HOST", "DAGGER_SESSION_PORT", "DAGGER_CLOUD_ENGINE")
"""What of Dagger's variables says which engine is used."""


def dagger_finding(environ: Mapping[str, str]) -> Finding:
    """Return what was found. An engine that *environ* names is asked for its version; none is started."""
    try:
        library = version("dagger-io")
    except PackageNotFoundError:
        return Finding(name="dagger", mark=Mark.OK, message="not installed: --engine dagger takes reprobuild[dagger]")
    named = [name for name in _NAMING if environ.get(name)]
    if not named:
        message = f"dagger-io {library}; no engine is named: where Docker runs, Dagger starts one"
        return Finding(name="dagger", mark=Mark.OK, message=message)
    try:
        engine = _asked()
    except ReprobuildError as error:
        return Finding(name="dagger", mark=Mark.WARN, message=f"dagger-io {library}; {error}", hint=error.hint)
    message = f"dagger-io {library}, engine {engine}, named by {', '.join(named)}"
    return Finding(name="dagger", mark=Mark.OK, message=message)


def _asked() -> str:
    import anyio

    from reprobuild.engines.dagger_session import DaggerSession

    async def ask() -> str:
        return await (await DaggerSession.here().client()).version()

    return anyio.run(ask)
