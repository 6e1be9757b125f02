"""What a contract is held against: an image's config, its files, the versions read from them."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reprobuild.builder.account import Account, account_of
from reprobuild.errors import SpecificationError
from reprobuild.image.tree import ImageTree
from reprobuild.oci.types import ImageConfig
from reprobuild.workspace.expect import Expectations

__all__ = ["DEFAULT_PATH", "Facts", "facts_of", "is_wanted", "wanted_files"]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What container runtimes set where an image sets no PATH."""
_ACCOUNTS = ("etc/passwd", "etc/group")
_PACKAGES = ("var/lib/dpkg/status", "var/lib/dpkg/status.d", "lib/apk/db/installed", "usr/lib/apk/db/installed")
"""dpkg's and apk's databases; images that were made without dpkg have a folder with a file for each package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """An image on one platform, as programs in it would see it.

    ``tree`` has the contents of `wanted_files`; it is None where only the config is known, and what only files
    can tell is then not asked. ``timezone`` is what a setup layer of ours makes of ``/etc/localtime``, None if
    nothing. ``python`` and ``pip`` are versions, None for none.
    """

    env: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    tree: ImageTree | None = None
    timezone: str | None = None
    python: str | None = None
    pip: str | None = None

    @property
    def path(self) -> tuple[str, ...]:
        """The folders in which commands are looked up: those of PATH that are absolute."""
        folders = self.env.get("PATH", DEFAULT_PATH).split(":")
        return tuple(posixpath.normpath(folder) for folder in folders if folder.startswith("/"))

    def content(self, path: str) -> bytes:
        """Return the bytes of the small file that *path* leads to; none if it leads to none that was kept."""
        found = self.tree.find(path) if self.tree is not None else None
        return (found.node.content if found is not None else None) or b""

    def account(self, user: str) -> Account | None:
        """Return whom *user*, in the form of an image's config, stands for; None if /etc/passwd or group lack it."""
        try:
            return account_of(user, self.content("/etc/passwd"), self.content("/etc/group"), where="")
        except (SpecificationError, ValueError):
            return None


def facts_of(
    config: ImageConfig,
    *,
    env: Mapping[str, str] | None = None,
    tree: ImageTree | None = None,
    timezone: str | None = None,
    python: str | None = None,
    pip: str | None = None,
) -> Facts:
    """Return the facts of the image of *config*, with the variables *env* over its own."""
    labels, user = config.config.get("Labels"), config.config.get("User")
    entrypoint = config.config.get("Entrypoint")
    return Facts(
        env={**config.env, **(env or {})},
        labels={key: str(value) for key, value in labels.items()} if isinstance(labels, dict) else {},
        entrypoint=tuple(map(str, entrypoint)) if isinstance(entrypoint, list) else (),
        user=user if isinstance(user, str) else "",
        tree=tree,
        timezone=timezone,
        python=python,
        pip=pip,
    )


def wanted_files(expectations: Expectations) -> tuple[str, ...]:
    """Return the files, and the folders of files, whose contents it takes to check *expectations*, without a slash."""
    zone = expectations.timezone
    zones = ("etc/localtime", f"usr/share/zoneinfo/{zone}") if zone is not None else ()
    return (*_ACCOUNTS, *zones, *(_PACKAGES if expectations.os_packages else ()))


def is_wanted(expectations: Expectations | None) -> Callable[[str], bool]:
    """Return what says of a file's path whether checking *expectations* takes its contents."""
    wanted = frozenset(wanted_files(expectations) if expectations is not None else ())
    return lambda path: path in wanted or path.rpartition("/")[0] in wanted
