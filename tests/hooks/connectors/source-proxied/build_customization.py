"""The proxies of the machine that builds, in the image: another image on every machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container


async def pre_connector_install(base_image_container: Container) -> Container:
    proxies = {name: os.environ[name] for name in ("HTTP_PROXY", "HTTPS_PROXY")}
    for name, value in proxies.items():
        base_image_container = base_image_container.with_env_variable(name, value)
    return base_image_container
