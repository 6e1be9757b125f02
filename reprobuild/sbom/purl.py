"""Package URLs as text (package-url/purl-spec): the name that scanners of vulnerabilities know a package by."""

from collections.abc import Mapping
from urllib.parse import quote

from reprobuild.lockfile import normal_name

__all__ = ["purl", "pypi_purl"]


def purl(
    kind: str, name: str, version: str = "", *, namespace: str = "", qualifiers: Mapping[str, str] | None = None
) -> str:
    """Return the package URL of *name*; qualifiers without a value are left out, the others sorted.

    Slashes and white space around a name do not belong to it. There is none, an empty text, if a name is nothing else.
    """
    while name != (name := name.strip().strip("/")):
        pass
    if not name:
        return ""
    place = "".join(f"{_quoted(part)}/" for part in namespace.split("/") if part)
    text = f"pkg:{kind}/{place}{_quoted(name)}"
    if version:
        text += f"@{_quoted(version)}"
    given = sorted((key, value) for key, value in (qualifiers or {}).items() if value)
    return text + ("?" + "&".join(f"{key}={_quoted(value)}" for key, value in given) if given else "")


def pypi_purl(name: str, version: str, **qualifiers: str) -> str:
    """Return the package URL of a Python distribution."""
    return purl("pypi", normal_name(name), version, qualifiers=qualifiers)


def _quoted(text: str) -> str:
    return quote(text, safe=":-._~")
