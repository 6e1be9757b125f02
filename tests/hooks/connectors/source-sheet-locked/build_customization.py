"""The script as a declared input: its bytes are in the lock, and only they are run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container


async def pre_connector_install(base_image_container: Container) -> Container:
    return base_image_container.with_exec(["sh", "/run/reprobuild/inputs/install.sh", "--yes"])
