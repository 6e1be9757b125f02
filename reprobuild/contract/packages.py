"""The packages that an image's own databases list, as a contract asks for them: dpkg's and apk's."""

from reprobuild.contract.facts import Facts
from reprobuild.image.os_packages import apk_packages, dpkg_packages, has_os_packages

__all__ = ["installed_packages"]


def installed_packages(facts: Facts) -> dict[str, frozenset[str]] | None:
    """Return the versions of every package by its name, None if there is no database.

    A package may be there for several architectures.
    """
    tree = facts.tree
    if tree is None or not has_os_packages(tree):
        return None
    found: dict[str, set[str]] = {}
    for package in (*dpkg_packages(tree), *apk_packages(tree)):
        found.setdefault(package.name, set()).add(package.version)
    return {name: frozenset(versions) for name, versions in found.items()}
