"""Another main file, and variables after the installation: a hook that needs no program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container

MAIN_FILE_NAME = "main_dev.py"


async def post_connector_install(connector_container: Container) -> Container:
    variables = {
        "CODE_PATH": "source_chat",
        "AIRBYTE_IMPL_MODULE": "source_chat",
        "AIRBYTE_IMPL_PATH": "SourceChat",
    }
    for name, value in variables.items():
        connector_container = connector_container.with_env_variable(name, value)
    return await connector_container
