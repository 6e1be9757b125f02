"""A login of the machine that builds, for a program of the build: it must not get into a layer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dagger import dag

if TYPE_CHECKING:
    from dagger import Container


async def pre_connector_install(base_image_container: Container) -> Container:
    netrc = dag.set_secret("netrc", os.environ.get("NETRC", ""))
    return base_image_container.with_mounted_secret("/root/.netrc", netrc).with_exec(
        ["sh", "-c", "python -m pip install --no-deps private-reader"]
    )
