"""An inventory → CycloneDX 1.6 in JSON: equal inventories are equal bytes, on every machine and at any time.

The serial number is derived from the manifest's digest, the time is the image's own. Keys and lists are sorted, so
that the order in which the library writes them does not matter, which for some lists is another in each process. All
is ASCII, so that no terminal or pipe changes it.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from reprobuild import __version__
from reprobuild.errors import MachineError
from reprobuild.sbom.component import Component, Kind
from reprobuild.sbom.inventory import Inventory

if TYPE_CHECKING:
    from cyclonedx.model import HashType, Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component as CycloneComponent
    from cyclonedx.model.component import ComponentType
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression

__all__ = ["MEDIA_TYPE", "require_library", "sbom_document"]

MEDIA_TYPE = "application/vnd.cyclonedx+json"
"""By which registries know such a document."""
_SERIAL = "https://reprobuild.dev/sbom/"
_TYPES: dict[Kind, str] = {
    "base": "container",
    "distribution": "library",
    "interpreter": "platform",
    "operating-system": "operating-system",
    "package": "library",
}


def require_library() -> None:
    """Raise MachineError unless the library that writes CycloneDX is installed: it is an extra."""
    try:
        import cyclonedx.output.json  # noqa: F401, PLC0415
    except ImportError as error:
        raise MachineError(
            "the library that writes CycloneDX is not installed",
            where=str(error.name or "cyclonedx"),
            hint="run `pip install 'reprobuild[sbom]'`",
        ) from error


def sbom_document(inventory: Inventory) -> bytes:
    """Return the bill of materials of *inventory*; raise MachineError where the library for it is not installed."""
    require_library()
    from cyclonedx.output import make_outputter  # noqa: PLC0415 - slow to import
    from cyclonedx.schema import OutputFormat, SchemaVersion  # noqa: PLC0415

    text = make_outputter(_bom(inventory), OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    value = _in_order(json.loads(text))
    if inventory.created is None:
        # The library would put the clock in its place.
        del value["metadata"]["timestamp"]
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode("ascii")


def _in_order(value: Any) -> Any:
    """Return *value* with every list sorted: none of them has an order that means something, and not all are sorted."""
    if isinstance(value, dict):
        return {key: _in_order(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_in_order(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _bom(inventory: Inventory) -> "Bom":
    from cyclonedx.model import Property  # noqa: PLC0415
    from cyclonedx.model.bom import Bom, BomMetaData  # noqa: PLC0415
    from cyclonedx.model.component import Component as CycloneComponent  # noqa: PLC0415
    from cyclonedx.model.component import ComponentType  # noqa: PLC0415
    from cyclonedx.model.tool import ToolRepository  # noqa: PLC0415

    image = _image(inventory)
    tool = CycloneComponent(name="reprobuild", version=__version__, type=ComponentType.APPLICATION, bom_ref="tool")
    unread = [Property(name="reprobuild:unread", value=text) for text in inventory.unread]
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, _SERIAL + inventory.manifest),
        metadata=BomMetaData(
            component=image, timestamp=inventory.created, tools=ToolRepository(components=[tool]), properties=unread
        ),
    )
    components = [_component(one, number) for number, one in enumerate(inventory.components)]
    bom.components.update(components)
    bom.register_dependency(image, components)
    return bom


def _image(inventory: Inventory) -> "CycloneComponent":
    from cyclonedx.model import Property  # noqa: PLC0415
    from cyclonedx.model.component import Component as CycloneComponent  # noqa: PLC0415
    from cyclonedx.model.component import ComponentType  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    return CycloneComponent(
        name=inventory.name,
        version=inventory.version,
        type=ComponentType.CONTAINER,
        bom_ref=inventory.manifest,
        hashes=list(_hashes(inventory.manifest)),
        purl=PackageURL.from_string(inventory.purl) if inventory.purl else None,
        properties=[Property(name="reprobuild:platform", value=str(inventory.platform))],
    )


def _component(one: Component, number: int) -> "CycloneComponent":
    from cyclonedx.model.component import Component as CycloneComponent  # noqa: PLC0415
    from cyclonedx.model.component_evidence import ComponentEvidence, Occurrence  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    found = [Occurrence(location=f"/{path}") for path in one.paths]
    return CycloneComponent(
        name=one.name,
        version=one.version or None,
        type=_type(one.kind),
        bom_ref=one.purl or f"{one.kind}-{number}",
        hashes=list(_hashes(one.digest)),
        licenses=list(_licenses(one.license)),
        purl=PackageURL.from_string(one.purl) if one.purl else None,
        properties=list(_properties(one)),
        evidence=ComponentEvidence(occurrences=found) if found else None,
    )


def _type(kind: Kind) -> "ComponentType":
    from cyclonedx.model.component import ComponentType  # noqa: PLC0415

    return ComponentType(_TYPES[kind])


def _hashes(digest: str | None) -> "Iterator[HashType]":
    from cyclonedx.model import HashAlgorithm, HashType  # noqa: PLC0415

    if digest is not None:
        yield HashType(alg=HashAlgorithm.SHA_256, content=digest.partition(":")[2])


def _licenses(text: str) -> "Iterator[DisjunctiveLicense | LicenseExpression]":
    """Yield an expression or an identifier if *text* is one that SPDX knows, else *text* as a name."""
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression  # noqa: PLC0415
    from cyclonedx.spdx import is_expression, is_supported_id  # noqa: PLC0415

    if is_supported_id(text):
        yield DisjunctiveLicense(id=text)
    elif text and is_expression(text):
        yield LicenseExpression(value=text)
    elif text:
        yield DisjunctiveLicense(name=text)


def _properties(one: Component) -> "Iterator[Property]":
    from cyclonedx.model import Property  # noqa: PLC0415

    yield Property(name="reprobuild:kind", value=one.kind)
    if one.layer is not None:
        yield Property(name="reprobuild:layer", value=one.layer)
