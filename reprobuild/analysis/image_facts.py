"""An image that was read → what it is: nothing was executed, its config and its files are asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reprobuild.analysis.base import Base, added_packages, bottom_of
from reprobuild.analysis.facts import Claim, ImageFacts, LayerSize
from reprobuild.analysis.software import Software
from reprobuild.sbom.inventory import ReadImage

__all__ = ["Subject", "image_facts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An image to look at: of which connector, where, and what is said to be its base, or nothing."""

    connector: str
    reference: str
    base: str = ""


def image_facts(
    image: ReadImage,
    subject: Subject,
    software: Software,
    *,
    base: Base | None,
    said: str = "",
    layers: tuple[LayerSize, ...] = (),
) -> ImageFacts:
    """Return what *image*, of *subject*, is; *software* is what it has installed.

    *base* is its base, None if nobody could read that; *said* is then what it is said to be.
    """
    config, environment = image.config.config, image.config.env
    bottom = bottom_of(image.config, base)
    return ImageFacts(
        connector=subject.connector,
        reference=subject.reference,
        digest=image.descriptor.digest,
        platform=str(image.config.platform),
        created=image.config.created or "",
        base=base.reference if base is not None else said,
        base_layers=bottom.layers,
        base_moved=bottom.moved,
        environment=tuple(environment.items()),
        base_environment=dict(base.environment) if base is not None else None,
        entrypoint=_words(config.get("Entrypoint")),
        command=_words(config.get("Cmd")),
        labels={name: "" if value is None else str(value) for name, value in _mapping(config.get("Labels")).items()},
        user=_text(config.get("User")),
        workdir=_text(config.get("WorkingDir")),
        timezone=software.timezone,
        python=Claim(claimed=environment.get("PYTHON_VERSION", ""), found=software.python),
        pip=Claim(claimed=environment.get("PYTHON_PIP_VERSION", ""), found=software.version("pip")),
        setuptools=Claim(
            claimed=environment.get("PYTHON_SETUPTOOLS_VERSION", ""), found=software.version("setuptools")
        ),
        libc=software.libc,
        system=software.system,
        distributions=software.distributions,
        os_packages=software.os_packages,
        added=None if base is None else added_packages(software.os_packages, base.packages),
        layers=layers,
        unread=software.unread,
    )


def _words(value: Any) -> tuple[str, ...]:
    """Return a command's words; Docker takes a text for the only one."""
    return tuple(map(str, value)) if isinstance(value, list) else (value,) if isinstance(value, str) and value else ()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
