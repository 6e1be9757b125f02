"""What a connector's image promised so far: by its Dockerfile, and by what was published, which has the last word."""

from collections.abc import Iterator

from reprobuild.analysis.dockerfile import Dockerfile
from reprobuild.analysis.dockerfile_facts import image_installs
from reprobuild.analysis.facts import DockerfileFacts, ImageFacts
from reprobuild.analysis.installs import os_package
from reprobuild.analysis.promises import Promises, is_of_connector

__all__ = ["promises_of"]


def promises_of(dockerfile: Dockerfile | None, facts: DockerfileFacts | None, image: ImageFacts | None) -> Promises:
    """Return what *dockerfile*, with its *facts*, and the published *image* promise; either may not be there."""
    installs = list(image_installs(dockerfile)) if dockerfile is not None else []
    packages = dict(os_package(one.name) for one in installs if one.kind == "os")
    downloads = tuple(dict.fromkeys(one.name for one in installs if one.kind == "download"))
    environment = dict(_written(facts)) if facts is not None else {}
    labels = dict(facts.labels) if facts is not None else {}
    if image is None:
        said = facts or DockerfileFacts(
            connector="", path="", variant="", bases=(), moving_bases=(), stages=0, instructions=()
        )
        return Promises(
            entrypoint=said.entrypoint,
            command=said.command,
            workdir=said.workdir,
            user=said.user,
            timezone="UTC",
            environment=environment,
            labels=labels,
            os_packages=packages,
            downloads=downloads,
        )
    there = {one.name: one.version for one in image.os_packages}
    packages |= {one.package.name: "" for one in image.added or () if not one.before}
    return Promises(
        entrypoint=image.entrypoint,
        command=image.command,
        workdir=image.workdir,
        user=image.user,
        timezone=image.timezone or None,
        environment={**environment, **dict(_own(image))},
        labels={**labels, **image.labels},
        os_packages={name: there.get(name, version) for name, version in packages.items()},
        downloads=downloads,
        distributions={one.name: one.version for one in image.distributions},
        python=image.python.found or image.python.claimed,
    )


def _written(facts: DockerfileFacts) -> Iterator[tuple[str, str]]:
    """Yield the variables whose values stand in the Dockerfile."""
    for name, value in facts.environment.items():
        if "$" not in value:
            yield name, value


def _own(image: ImageFacts) -> Iterator[tuple[str, str]]:
    """Yield the variables that the image sets itself, and not its base."""
    base = image.base_environment
    for name, value in image.environment:
        if base is not None and base.get(name) == value:
            continue
        if base is not None or is_of_connector(name):
            yield name, value
