"""The certificates as a declared input, copied without running anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container

BUNDLE_PATH = "/airbyte/global-bundle.pem"


async def post_connector_install(connector_container: Container) -> Container:
    bundle = connector_container.file("/run/reprobuild/inputs/global-bundle.pem")
    return connector_container.with_file(BUNDLE_PATH, bundle, permissions=0o644, owner="0:0").with_env_variable(
        "SSL_CERT_FILE", BUNDLE_PATH
    )
