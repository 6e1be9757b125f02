"""A folder of the user's, whoever that is: the hook waits for a program before it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container


async def pre_connector_install(base_image_container: Container) -> Container:
    user = (await base_image_container.with_exec(["whoami"]).stdout()).strip()
    return (
        base_image_container.with_user("root")
        .with_exec(["mkdir", "-p", "/config"])
        .with_exec(["chown", f"{user}:{user}", "/config"])
        .with_user(user)
    )
