"""Certificates from an address that changes what it serves: not reproducible."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container

BUNDLE_URL = "https://example.com/truststore/global-bundle.pem"
BUNDLE_PATH = "/airbyte/global-bundle.pem"


async def post_connector_install(connector_container: Container) -> Container:
    return connector_container.with_exec(["curl", "-fsSL", BUNDLE_URL, "-o", BUNDLE_PATH]).with_env_variable(
        "SSL_CERT_FILE", BUNDLE_PATH
    )
