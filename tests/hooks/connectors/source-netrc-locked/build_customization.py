"""The login as a secret: the program can read it, and no layer, log or cache has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container


async def pre_connector_install(base_image_container: Container) -> Container:
    install = "test -s /run/secrets/netrc && echo reader 1.0 > /usr/local/share/reader"
    return base_image_container.with_exec(["sh", "-c", install])
