"""A script from the network, piped into a shell: not reproducible."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container


def install_reader(container: Container) -> Container:
    fetch = "curl --silent --show-error --fail https://example.com/reader/install.sh | sh -s -- --yes"
    return container.with_exec(["sh", "-c", fetch], use_entrypoint=True)


async def pre_connector_install(base_image_container: Container) -> Container:
    return base_image_container.with_(install_reader)
