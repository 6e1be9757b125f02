"""What registries answer, and to whom: `reprobuild doctor REGISTRY…`. No secret is printed, nothing is left behind."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reprobuild.cli.finding import Finding, Mark
from reprobuild.errors import ReprobuildError, SpecificationError
from reprobuild.oci.reference import RegistryReference, parse_reference
from reprobuild.oci.registries import Registries

if TYPE_CHECKING:
    from reprobuild.oci.call import Call
    from reprobuild.oci.transport import Transport

__all__ = ["registry_findings"]

_SECONDS = 10.0
"""How long a registry may take to connect, and to answer."""


def registry_findings(text: str, registries: Registries) -> Iterator[Finding]:
    """Yield what was found out about the registry, or the repository in one, that *text* names.

    A repository is asked whether we may read and write there: an upload is begun, and given up.
    """
    reference = _reference(text)
    host, repository = reference.host, reference.repository if "/" in text else ""
    yield _way(host, registries)
    credential = _credential(host, repository)
    yield credential
    if credential.mark is Mark.FAIL:
        return
    import anyio

    yield anyio.run(_there, host, registries)
    if repository:
        yield anyio.run(_may_read, reference, registries)
        yield anyio.run(_may_write, reference, registries)


def _reference(text: str) -> RegistryReference:
    reference = parse_reference(text if "/" in text else f"{text}/x", where="REGISTRY")
    named = "/" in text or any(mark in text for mark in ".:") or text == "localhost"
    if not isinstance(reference, RegistryReference) or not named:
        hint = "write it like docker.io, localhost:5000 or ghcr.io/acme/source-x"
        raise SpecificationError(f"not a registry: {text[:100]!r}", hint=hint)
    return reference


def _way(host: str, registries: Registries) -> Finding:
    """Say what the specification and the environment say of the way there."""
    settings = registries.of(host)
    told = [f"mirrors {', '.join(settings.mirrors)}"] if settings.mirrors else []
    told += ["insecure"] if settings.insecure else []
    told += [f"authority {settings.ca_file}"] if settings.ca_file else []
    told += [f"proxy {settings.proxy}"] if settings.proxy else []
    names = sorted(
        name for name in os.environ if name.upper() in {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"}
    )
    told += [f"{', '.join(names)} set"] if names and not settings.proxy else []
    return Finding(name="settings", mark=Mark.OK, message=f"{host}: {'; '.join(told) or 'none'}")


def _credential(host: str, repository: str) -> Finding:
    from reprobuild.oci.auth import credential_places, find_credential

    try:
        found = find_credential(host, os.environ, repository)
    except ReprobuildError as error:
        return Finding(name="credentials", mark=Mark.FAIL, message=str(error), hint=error.hint)
    if found is None:
        looked = ", ".join(str(place) for place in credential_places(os.environ)) or "nowhere: HOME is not set"
        message = f"{host}: none, so we are anonymous; looked in {looked}"
        return Finding(name="credentials", mark=Mark.OK, message=message)
    kind = "a registry token" if found.registry_token else "an identity token" if found.identity_token else "a password"
    who = f" of {found.username!r}" if found.username else ""
    return Finding(name="credentials", mark=Mark.OK, message=f"{host}: {kind}{who}, from {found.place}")


async def _there(host: str, registries: Registries) -> Finding:
    """Ask whether the registry is there (distribution-spec, end-1)."""
    return await _tried("registry", host, "", registries, _call("GET", "/v2/"), {200})


async def _may_read(reference: RegistryReference, registries: Registries) -> Finding:
    target = f"/v2/{reference.repository}/tags/list?n=1"
    scope = f"repository:{reference.repository}:pull"
    # A repository that nobody has pushed to is not there yet.
    return await _tried("read", reference.host, scope, registries, _call("GET", target), {200, 404})


async def _may_write(reference: RegistryReference, registries: Registries) -> Finding:
    target = f"/v2/{reference.repository}/blobs/uploads/"
    scope = f"repository:{reference.repository}:pull,push"
    return await _tried("write", reference.host, scope, registries, _call("POST", target), {202})


async def _tried(name: str, host: str, scope: str, registries: Registries, call: "Call", good: set[int]) -> Finding:
    """Return what *call* led to: every request with its answer, and how we said who we are."""
    from reprobuild.oci.retry import Patience
    from reprobuild.oci.transport import Transport

    seen: list[str] = []
    patience = Patience(connect=_SECONDS, read=_SECONDS, tries=1)
    try:
        transport = Transport(
            host, scope, environ=os.environ, registries=registries, patience=patience, observe=seen.append
        )
        try:
            status = await _status(transport, call)
        finally:
            await transport.close()
    except ReprobuildError as error:
        message = f"{host}: {'; '.join([*seen, str(error)])}"
        return Finding(name=name, mark=Mark.FAIL, message=message, hint=error.hint)
    message = f"{host}: {'; '.join(seen)} ({transport.tried})"
    if status in good:
        return Finding(name=name, mark=Mark.OK, message=message)
    return Finding(name=name, mark=Mark.FAIL, message=message, hint=_hint(status, host, plain=transport.is_plain))


def _hint(status: int, host: str, *, plain: bool) -> str:
    if status in {401, 403}:
        return f"check the name; run `docker login {host}`"
    if status == 400 and plain:
        return f"if it wants TLS, set ca-file of registry {host!r} in the specification"
    return "look at the registry"


async def _status(transport: "Transport", call: "Call") -> int:
    """Return the status of the answer to *call*; an upload that it opened is given up."""
    response = await transport.send(call, transport.tries())
    await response.aclose()
    if response.status_code == 202:
        place = transport.led(response)
        answer = await transport.send(_call("DELETE", str(place)), transport.tries())
        await answer.aclose()
    return response.status_code


def _call(method: str, target: str) -> "Call":
    from reprobuild.oci.call import Call

    return Call(method=method, target=target)
