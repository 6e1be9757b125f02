"""Tags: which of them stand for one version, and which versions are releases."""

import re

from reprobuild.errors import SpecificationError
from reprobuild.oci.reference import RegistryReference, parse_reference

__all__ = ["LATEST", "check_tag", "is_release", "is_version_tag"]

LATEST = "latest"

_VERSION = re.compile(r"v?[0-9].*", re.IGNORECASE)
_SEMVER = re.compile(r"v?(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){2}(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")


def is_version_tag(tag: str) -> bool:
    """Say whether *tag* stands for one version, and so for one image for ever: it begins with a number, or v and one.

    Others (``latest``, ``main``, ``nightly``) are there to be moved.
    """
    return _VERSION.fullmatch(tag) is not None


def is_release(version: str) -> bool:
    """Say whether *version* is neither a pre-release nor a development version (PEP 440, or else semver 2.0)."""
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415 - only who sets `latest` asks

    try:
        return not Version(version).is_prerelease
    except InvalidVersion:
        found = _SEMVER.fullmatch(version)
        return found is not None and found[1] is None


def check_tag(tag: str, *, where: str) -> str:
    """Return *tag*; raise SpecificationError if no registry takes it."""
    try:
        reference = parse_reference(f"localhost/x:{tag}")
        fits = isinstance(reference, RegistryReference) and reference.tag == tag and reference.digest is None
    except SpecificationError:
        fits = False
    if fits:
        return tag
    hint = "give another with --tag: letters, digits, . _ and -, 128 at most"
    raise SpecificationError(f"cannot be a tag: {tag[:150]!r}", where=where, hint=hint)
