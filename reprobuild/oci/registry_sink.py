"""A repository of a container registry as a sink (OCI distribution-spec v1.1, push)."""

from collections.abc import Mapping

import httpx

from reprobuild.canonical import Digest
from reprobuild.errors import ContentError, NetworkError
from reprobuild.oci.call import Call, drain, explained
from reprobuild.oci.refusal import refused
from reprobuild.oci.registries import Registries
from reprobuild.oci.repository import Repository
from reprobuild.oci.retry import Patience
from reprobuild.oci.sink import Placed
from reprobuild.oci.source import Source, read
from reprobuild.oci.types import INDEX_TYPES, MANIFEST_TYPES, Descriptor
from reprobuild.oci.upload import Upload
from reprobuild.oci.whereabouts import Whereabouts
from reprobuild.progress import Task

__all__ = ["RegistrySink"]

_DOCUMENT_TYPES = INDEX_TYPES | MANIFEST_TYPES
_DAMAGED = frozenset({"DIGEST_INVALID", "SIZE_INVALID"})


class RegistrySink(Repository):
    """The repository *repository* of the registry *host*; a Sink.

    *whereabouts* says which repositories of the registry have which blobs, and learns it. *registries* are users'
    settings of single registries; mirrors are for reading alone.
    """

    def __init__(
        self,
        host: str,
        repository: str,
        *,
        environ: Mapping[str, str],
        whereabouts: Whereabouts | None = None,
        registries: Registries | None = None,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(
            host, repository, environ=environ, registries=registries, patience=patience, actions="pull,push"
        )
        self.whereabouts = whereabouts or Whereabouts()

    async def put(self, descriptor: Descriptor, source: Source, *, task: Task | None = None) -> Placed:
        """Have *descriptor* there; see Sink."""
        if descriptor.media_type in _DOCUMENT_TYPES:
            if await self._has_document(descriptor.digest):
                return "there"
            await self.put_document(descriptor, await read(source, descriptor))
            return "uploaded"
        upload = Upload(self.transport, self.repository, descriptor, source, where=self.where, task=task)
        async with self.whereabouts.turn(self.host, descriptor.digest):
            known = self.whereabouts.of(self.host, descriptor.digest)
            placed = await upload.run([name for name in known if name != self.repository])
            self.whereabouts.add(self.host, descriptor.digest, self.repository)
        return placed

    async def tag(self, descriptor: Descriptor, tag: str, source: Source) -> None:
        """Let *tag* lead to *descriptor*; see Sink."""
        await self.put_document(descriptor, await read(source, descriptor), name=tag)

    async def put_document(self, descriptor: Descriptor, data: bytes, *, name: str | None = None) -> Digest | None:
        """Put *data*, the manifest or index *descriptor*, under its digest, or *name*; return the header OCI-Subject.

        That names the subject if the registry lists the document among its referrers (distribution-spec v1.1).
        """
        target = f"/v2/{self.repository}/manifests/{name or descriptor.digest}"
        call = Call(method="PUT", target=target, headers={"Content-Type": descriptor.media_type}, content=data)
        tries = self.transport.tries()
        while True:
            response = await self.transport.send(call, tries)
            if response.status_code in {200, 201, 202}:
                await drain(response)
                subject = response.headers.get("OCI-Subject")
                if response.headers.get("Docker-Content-Digest", descriptor.digest) == descriptor.digest:
                    return Digest(subject) if subject else None
                message = "took the manifest for another"
            else:
                message = await self._damage(response)
            await tries.again(NetworkError(f"the registry {message}", where=self.where, hint="try again"))

    async def _has_document(self, digest: Digest) -> bool:
        """Say whether the repository has the manifest or index *digest*."""
        target = f"/v2/{self.repository}/manifests/{digest}"
        headers = {"Accept": ", ".join(sorted(_DOCUMENT_TYPES))}
        response = await self.transport.send(
            Call(method="HEAD", target=target, headers=headers), self.transport.tries()
        )
        await response.aclose()
        return response.status_code == 200

    async def _damage(self, response: httpx.Response) -> str:
        """Return what is wrong if the document broke on the way; raise what else the answer means."""
        said = await explained(response)
        if said.code not in _DAMAGED:
            if said.code == "MANIFEST_BLOB_UNKNOWN":
                hint = "somebody deletes blobs while you push; run the command again"
                raise ContentError(f"the registry lacks a blob of it{said.clause}", where=self.where, hint=hint)
            raise refused(response, said.clause, self.transport, where=self.where, writing=True)
        return f"answered {response.status_code} to a manifest{said.clause}"
