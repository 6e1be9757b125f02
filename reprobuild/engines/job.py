"""What reprobuild and the program that sets a sandbox up say to each other, as JSON: a job, and an answer."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from reprobuild.builder.tree import Entry
from reprobuild.canonical import Digest, parse_digest
from reprobuild.engines.execution import Change, Changes, Execution
from reprobuild.engines.variation import Variation
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import Descriptor, Platform

__all__ = ["Answer", "Job", "answer_json", "job_json", "parse_answer", "parse_job"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An execution, and all that the sandbox needs to know of this machine.

    ``streams`` are the descriptors of the program's standard input, output and error; ``secrets`` the bytes for
    the execution's, by name.
    """

    execution: Execution
    store: str
    runtime: str
    variation: Variation
    streams: tuple[int, int, int]
    secrets: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a job ended: with ``changes``, with the exit ``code`` of a program that failed, or after the time limit.

    ``message`` says why the program could not even be started; ``unvaried`` what could not be varied.
    """

    changes: Changes | None = None
    code: int | None = None
    message: str = ""
    unvaried: tuple[str, ...] = ()


def job_json(job: Job) -> dict[str, Any]:
    """Return *job* as a JSON value."""
    one = job.execution
    value = {name: getattr(one, name) for name in _PLAIN}
    return {
        "store": job.store,
        "runtime": job.runtime,
        "variation": asdict(job.variation),
        "streams": job.streams,
        "secret_bytes": {name: base64.b64encode(data).decode() for name, data in job.secrets.items()},
        "execution": {
            **value,
            "env": dict(one.env),
            "platform": one.platform.to_json(),
            "layers": [[layer.descriptor.to_json(), layer.diff_id] for layer in one.layers],
            "mounts": [asdict(mount) for mount in one.mounts],
            "secrets": [asdict(secret) for secret in one.secrets],
        },
    }


_PLAIN = ("what", "argv", "cwd", "uid", "gid", "groups", "hostname", "network", "stdin", "epoch", "timeout")


def parse_job(value: dict[str, Any]) -> Job:
    """Return the job that `job_json` wrote."""
    from reprobuild.engines.execution import Mount, Secret  # noqa: PLC0415

    one = dict(value["execution"])
    one["platform"] = Platform(**one["platform"])
    one["layers"] = tuple(RootLayer(descriptor=_descriptor(item), diff_id=diff_id) for item, diff_id in one["layers"])
    one["mounts"] = tuple(Mount(**item) for item in one["mounts"])
    one["secrets"] = tuple(Secret(**item) for item in one["secrets"])
    one["argv"], one["groups"] = tuple(one["argv"]), tuple(one["groups"])
    return Job(
        execution=Execution(**one),
        store=value["store"],
        runtime=value["runtime"],
        variation=Variation(**value["variation"]),
        streams=tuple(value["streams"]),
        secrets={name: base64.b64decode(data) for name, data in value["secret_bytes"].items()},
    )


def answer_json(answer: Answer) -> dict[str, Any]:
    """Return *answer* as a JSON value."""
    found = answer.changes
    return {
        "code": answer.code,
        "message": answer.message,
        "unvaried": answer.unvaried,
        "present": None if found is None else [_change_json(change) for change in found.present],
        "removed": [] if found is None else found.removed,
    }


def parse_answer(value: dict[str, Any]) -> Answer:
    """Return the answer that `answer_json` wrote."""
    changes = None
    if value["present"] is not None:
        present = tuple(_change(*item) for item in value["present"])
        changes = Changes(present=present, removed=tuple(value["removed"]))
    return Answer(changes=changes, code=value["code"], message=value["message"], unvaried=tuple(value["unvaried"]))


def _descriptor(value: dict[str, Any]) -> Descriptor:
    return Descriptor(media_type=value["mediaType"], digest=value["digest"], size=value["size"])


def _change_json(change: Change) -> list[Any]:
    one = change.entry
    xattrs = [[name, data.hex()] for name, data in one.xattrs]
    return [change.digest, one.path, one.kind, one.mode, one.uid, one.gid, one.size, one.target, one.device, xattrs]


def _change(digest: str | None, path: str, kind: Any, *rest: Any) -> Change:
    mode, uid, gid, size, target, device, xattrs = rest
    entry = Entry(
        path=path,
        kind=kind,
        mode=mode,
        uid=uid,
        gid=gid,
        size=size,
        target=target,
        device=(device[0], device[1]),
        xattrs=tuple((name, bytes.fromhex(data)) for name, data in xattrs),
    )
    known: Digest | None = None if digest is None else parse_digest(digest)
    return Change(entry=entry, digest=known)
