"""What `reprobuild attest` does: a statement for each image that is in the store, written to a folder."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.cli.opening import named_or_here, open_workspace
from reprobuild.cli.output import plain, tell
from reprobuild.cli.settings import Settings
from reprobuild.errors import LockError, SpecificationError

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

__all__ = ["AttestRequest", "open_signer", "write_statements"]

_LONGEST_KEY = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestRequest:
    """The options of `reprobuild attest`, as they were given."""

    names: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    key: Path | None = None
    builder: str | None = None
    output: str = "."
    time: bool = False


def write_statements(request: AttestRequest, settings: Settings) -> None:
    """Write the statements that *request* asks for; raise LockError for an image that has not been built."""
    from reprobuild.cli.planning import fresh_lock, planned
    from reprobuild.provenance.envelope import signed
    from reprobuild.provenance.statement import BUILDER, provenance
    from reprobuild.store import replace_file

    workspace = open_workspace(settings)
    chosen = named_or_here(workspace, request.names, settings.directory)
    builder = _checked_uri(request.builder) if request.builder is not None else BUILDER
    by = open_signer(settings.directory / request.key) if request.key is not None else None
    lock = fresh_lock(workspace, chosen)
    finished = datetime.now(UTC) if request.time else None
    documents = []
    for image in planned(workspace, lock, chosen, request.platforms):
        name, platform = image.derivation.connector, image.derivation.platform
        if image.manifest is None:
            hint = f"run `reprobuild build {name}` first"
            raise LockError(f"not built for {platform}", where=name, hint=hint)
        statement = provenance(
            image.derivation,
            image.manifest.digest,
            packages=lock.connectors[name].packages,
            bases=lock.bases,
            builder=builder,
            finished=finished,
        )
        kind = "dsse.json" if by is not None else "json"
        file = f"{name}-{str(platform).replace('/', '-')}.provenance.{kind}"
        documents.append((file, signed(statement.data, by) if by is not None else statement.data))
    for file, data in documents:
        path = settings.directory / request.output / file
        replace_file(path, data)
        if not settings.quiet:
            tell(plain(f"wrote {path}"))


def _checked_uri(text: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme or not (parts.netloc or parts.path) or not text.isprintable() or " " in text:
        hint = "write one like https://ci.example.org/pipelines/images"
        raise SpecificationError(f"not a URI: {text!r}", where="--builder", hint=hint)
    return text


def open_signer(path: Path) -> "CryptoSigner":
    """Return what signs with the private key at *path*, whose passphrase is asked for on a terminal."""
    from reprobuild.provenance.envelope import signer
    from reprobuild.store import machine_errors

    if not path.is_file():
        hint = "write one with `openssl genpkey -algorithm ed25519 -out key.pem`"
        raise SpecificationError("there is no such key", where=str(path), hint=hint)
    with machine_errors(path), path.open("rb") as file:
        pem = file.read(_LONGEST_KEY)
    return signer(pem, where=str(path), passphrase=_asking(path))


def _asking(path: Path) -> Callable[[], bytes]:
    """Return what asks for the passphrase of the key at *path*, on a terminal."""

    def ask() -> bytes:
        if not sys.stdin.isatty():
            raise SpecificationError(
                "the key is encrypted, and there is no terminal to ask for its passphrase",
                where=str(path),
                hint="give a key without one, kept where only this job can read it",
            )
        import typer

        return str(typer.prompt(f"passphrase of {path}", hide_input=True, err=True)).encode()

    return ask
