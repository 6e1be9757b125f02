"""What an answer means that is neither what was asked for nor worth another try."""

import httpx

from reprobuild.errors import AuthenticationError, NetworkError, ReprobuildError
from reprobuild.oci.transport import Transport

__all__ = ["refused"]

_READING = "check the name; if the image is private, run"
_WRITING = "check the name; as somebody who may push there, run"


def refused(
    response: httpx.Response, said: str, transport: Transport, *, where: str, writing: bool = False
) -> ReprobuildError:
    """Return the error that *response* is, with the clause *said* in the registry's words."""
    status, host = response.status_code, transport.host
    if not transport.is_ours(response.url):
        message = f"{response.url.host}, to which {host} redirects, answered {status}"
        return NetworkError(message, where=where, hint="try again")
    if status in {401, 403}:
        hint = f"{_WRITING if writing else _READING} `docker login {host}`"
        return AuthenticationError(f"{host} answered {status} to {transport.tried}{said}", where=where, hint=hint)
    hint = "the repository may have to be made first" if writing and status == 404 else "look at the registry"
    if status == 400 and transport.is_plain:
        hint = f"it was spoken to in plain HTTP; if it wants TLS, set ca-file of registry {host!r} in the specification"
    return NetworkError(f"{host} answered {status}{said}", where=where, hint=hint)
