"""What `reprobuild analyze images` looks at: references as they are given, listed in a file, or in metadata."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.cli.opening import open_store
from reprobuild.cli.settings import Settings
from reprobuild.errors import ReprobuildError, SpecificationError
from reprobuild.oci.reference import RegistryReference, parse_reference

if TYPE_CHECKING:
    from reprobuild.analysis.connector_files import Wanted
    from reprobuild.analysis.facts import Fleet, Missing
    from reprobuild.analysis.image_facts import Subject

__all__ = ["ImagesRequest", "connector_name", "read_images", "reading_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesRequest:
    """The arguments of `reprobuild analyze images`, as they were given."""

    references: Sequence[str]
    lists: Sequence[Path]
    connectors: Sequence[Path]
    wanted: "Wanted"
    bases: Sequence[str]
    platforms: Sequence[str]


def read_images(request: ImagesRequest, settings: Settings) -> "Fleet":
    """Return what the images are that *request* asks for.

    Raises SpecificationError if it asks for none, or for what nobody could read.
    """
    from dataclasses import replace

    subjects, missing = _subjects(request, settings)
    if not subjects and not missing:
        hint = "name references, --from FILE with one a line, or --connectors FOLDER with metadata.yaml files"
        raise SpecificationError("there is no image to look at", hint=hint)
    fleet = reading_of(subjects, request.bases, request.platforms, settings)
    return replace(fleet, missing=(*missing, *fleet.missing))


def reading_of(
    subjects: "Sequence[Subject]", bases: Sequence[str], platforms: Sequence[str], settings: Settings
) -> "Fleet":
    """Return what the images of *subjects* are on *platforms*, all by default; *bases*: see `ImageReading`."""
    from reprobuild.analysis.image_fleet import image_fleet
    from reprobuild.analysis.image_reading import ImageReading
    from reprobuild.cli.loop import run_async
    from reprobuild.cli.origin import open_origin
    from reprobuild.cli.progress import open_display
    from reprobuild.oci.types import parse_platform

    wanted = [parse_platform(text, where="--platform") for text in platforms]
    store = open_store()
    with open_display(settings) as display:

        async def work() -> "Fleet":
            reading = ImageReading(
                opened=lambda text: open_origin(text, settings, store, where="REF"),
                store=store,
                progress=display,
                platforms=wanted,
                bases=bases,
            )
            return await image_fleet(subjects, reading, display)

        return run_async(work, on_interrupt=display.close)


def _subjects(request: ImagesRequest, settings: Settings) -> "tuple[list[Subject], list[Missing]]":
    from reprobuild.analysis.facts import Missing
    from reprobuild.analysis.image_facts import Subject

    listed = [line for path in request.lists for line in _lines(settings.directory / path, str(path))]
    subjects, missing = _of_connectors(request, settings) if request.connectors else ([], [])
    for text in dict.fromkeys([*request.references, *listed]):
        try:
            subjects.append(Subject(connector=connector_name(text), reference=text))
        except SpecificationError as error:
            missing.append(Missing(name=text, why=error.message, hint=error.hint or ""))
    return subjects, missing


def _lines(path: Path, where: str) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SpecificationError(str(why), where=where, hint="give a file with a reference on each line") from error
    return [line for line in (line.partition("#")[0].strip() for line in text.splitlines()) if line]


def connector_name(text: str) -> str:
    """Return what the image is called in reports: the tag in a layout, the repository's last part in a registry."""
    if text.startswith("store:"):
        return text.removeprefix("store:")
    reference = parse_reference(text)
    if isinstance(reference, RegistryReference):
        return reference.repository.rpartition("/")[2]
    return reference.tag or Path(reference.path).name


def _of_connectors(request: ImagesRequest, settings: Settings) -> "tuple[list[Subject], list[Missing]]":
    from reprobuild.analysis.connector_files import connector_metadata, find_metadata
    from reprobuild.analysis.image_facts import Subject

    subjects, missing = [], []
    for one in find_metadata(request.connectors, settings.directory):
        metadata, fault = connector_metadata(one.file.parent, str(Path(one.path).parent))
        if fault is not None:
            missing.append(fault)
        if metadata is None or request.wanted.refuses(metadata) is not None:
            continue
        base = metadata.base_image or _dockerfile_base(one.file.parent)
        reference = f"{metadata.repository}:{metadata.tag}"
        subjects.append(Subject(connector=metadata.name, reference=reference, base=base))
    return subjects, missing


def _dockerfile_base(folder: Path) -> str:
    """Return what the image of the Dockerfile in *folder* begins with; nothing if there is none that says so."""
    from reprobuild.analysis.dockerfile_facts import image_base
    from reprobuild.analysis.dockerfile_reader import read_dockerfile

    try:
        return image_base(read_dockerfile((folder / "Dockerfile").read_bytes(), "Dockerfile"))
    except (OSError, ReprobuildError):
        return ""
