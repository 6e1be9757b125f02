"""What the wheels of one image write, read from the wheels in the store."""

from collections.abc import Iterable

from reprobuild.builder.site import Site, site_of
from reprobuild.builder.wheel import open_wheel, plan_wheel
from reprobuild.canonical import Digest
from reprobuild.lockfile import BaseImage, Wheel
from reprobuild.oci.types import Platform
from reprobuild.store import Store

__all__ = ["WheelPaths"]


class WheelPaths:
    """The digest of every path that a wheel writes, planned once for each wheel and site."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[Digest, str], dict[str, Digest]] = {}

    def written(self, wheels: Iterable[Wheel], base: BaseImage, platform: Platform) -> dict[str, dict[str, Digest]]:
        """Return path → digest by file name, for *wheels* installed on *platform* of *base*.

        Raises ContentError for a wheel that cannot be installed.
        """
        site = site_of(base, platform)
        return {wheel.file: self._paths(wheel, site) for wheel in wheels}

    def _paths(self, wheel: Wheel, site: Site) -> dict[str, Digest]:
        key = (wheel.digest, repr(site))
        if key not in self._known:
            with self._store.open(wheel.digest) as file, open_wheel(file, wheel.file) as archive:
                planned = plan_wheel(archive, wheel.file, site)
            self._known[key] = {one.entry.path: one.digest for one in planned}
        return self._known[key]
