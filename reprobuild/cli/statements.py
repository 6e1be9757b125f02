"""Statements about images → files, and documents beside the images in their registry."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.cli.output import plain, tell
from reprobuild.cli.settings import Settings
from reprobuild.cli.signing import checked_uri, open_signer

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

    from reprobuild.oci.registries import Registries
    from reprobuild.oci.types import Descriptor
    from reprobuild.provenance.statement import Statement
    from reprobuild.store import Store

__all__ = ["Made", "StatementOptions", "Statements", "push_statements"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementOptions:
    """The options of commands that make statements, as they were given."""

    key: Path | None = None
    builder: str | None = None
    output: str | None = None
    time: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A statement's bytes, signed or not, with the name of its file, about the manifest *image*."""

    file: str
    data: bytes
    media_type: str
    predicate_type: str
    image: "Descriptor"


class Statements:
    """Makes statements as *options* say: by whom, when, signed with what. Bad options raise at once."""

    def __init__(self, options: StatementOptions, settings: Settings) -> None:
        from reprobuild.provenance.statement import BUILDER

        self._options, self._settings = options, settings
        self.builder = checked_uri(options.builder) if options.builder is not None else BUILDER
        self.finished = datetime.now(UTC) if options.time else None
        _ = self._signer

    @cached_property
    def _signer(self) -> "CryptoSigner | None":
        key = self._options.key
        return open_signer(self._settings.directory / key) if key is not None else None

    def made(self, statement: "Statement", stem: str, image: "Descriptor") -> Made:
        """Return *statement*, about *image*, as it is written to a file that starts with *stem*."""
        from reprobuild.provenance.envelope import ENVELOPE, PAYLOAD, signed

        by, data = self._signer, statement.data
        return Made(
            file=f"{stem}.json" if by is None else f"{stem}.dsse.json",
            data=data if by is None else signed(data, by),
            media_type=PAYLOAD if by is None else ENVELOPE,
            predicate_type=statement.predicate_type,
            image=image,
        )

    def write(self, documents: Sequence[Made]) -> None:
        """Write *documents* to the folder that the options name, if they name one."""
        from reprobuild.store import replace_file

        if self._options.output is None:
            return
        for one in documents:
            path = self._settings.directory / self._options.output / one.file
            replace_file(path, one.data)
            if not self._settings.quiet:
                tell(plain(f"wrote {path}"))


async def push_statements(
    documents: Sequence[Made], host: str, repository: str, *, store: "Store", registries: "Registries"
) -> None:
    """Put *documents* beside their images in *repository* of the registry *host*, as referrers of OCI.

    Raises ContentError if an image is not there.
    """
    from reprobuild.errors import ContentError, SpecificationError
    from reprobuild.oci.referrers import push_referrer
    from reprobuild.oci.registry_sink import RegistrySink
    from reprobuild.provenance.referrer import keep_referrer, referrer
    from reprobuild.verify.stored import Stored

    sink = RegistrySink(host, repository, environ=os.environ, registries=registries)
    try:
        for one in documents:
            try:
                await sink.reader(one.image.digest).resolve()
            except SpecificationError as error:
                hint = "push the image first: `reprobuild push`"
                raise ContentError(f"{one.image.digest} is not there", where=sink.where, hint=hint) from error
            beside = referrer(one.data, one.media_type, one.image, predicate_type=one.predicate_type)
            kept = keep_referrer(beside, store)
            await push_referrer(one.image, kept, Stored(kept, store), sink)
    finally:
        await sink.close()
