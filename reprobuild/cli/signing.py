"""What statements are signed with and in whose name, as the command line has it."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reprobuild.errors import SpecificationError

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

    from reprobuild.provenance.attested import Key

__all__ = ["checked_uri", "open_signer", "public_keys"]

_LONGEST_KEY = 64 * 1024


def checked_uri(text: str) -> str:
    """Return *text* if it is a URI; else raise SpecificationError."""
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

    pem = _pem(path, "write one with `openssl genpkey -algorithm ed25519 -out key.pem`")
    return signer(pem, where=str(path), passphrase=_asking(path))


def public_keys(paths: Sequence[Path], folder: Path) -> "tuple[Key, ...]":
    """Return the public keys in the files *paths*, relative to *folder*; raise SpecificationError for what is none."""
    from reprobuild.provenance.attested import Key
    from reprobuild.provenance.envelope import public_key

    hint = "write it with `openssl pkey -in KEY -pubout`"
    return tuple(Key(name=str(path), key=public_key(_pem(folder / path, hint), where=str(path))) for path in paths)


def _pem(path: Path, hint: str) -> bytes:
    from reprobuild.store import machine_errors

    if not path.is_file():
        raise SpecificationError("there is no such key", where=str(path), hint=hint)
    with machine_errors(path), path.open("rb") as file:
        return file.read(_LONGEST_KEY)


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
