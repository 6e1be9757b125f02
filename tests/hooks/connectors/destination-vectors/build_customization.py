"""Compilers, from whatever the mirror has today: not reproducible."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container


async def pre_connector_install(base_image_container: Container) -> Container:
    install = "apt-get update && apt-get install --yes --no-install-recommends build-essential gcc"
    return base_image_container.with_exec(["sh", "-c", install], skip_entrypoint=True)
