"""Trees, facts and a whole base image of Airbyte's shape, for tests of contracts."""

from collections.abc import Mapping

from reprobuild.contract.check import check_base
from reprobuild.contract.facts import Facts
from reprobuild.contract.finding import Finding
from reprobuild.engines.execution import Changes, Execution, Observation
from reprobuild.engines.executor import Listener, unheard
from reprobuild.image.tree import ImageTree, node_of
from reprobuild.oci.types import Platform
from reprobuild.workspace.expect import Expectations
from tests.images import AMD64
from tests.resolver.base_images import Files, file, folder, link, program, python_org

__all__ = ["AIRBYTE_ENV", "PASSWD", "Programs", "airbyte", "check", "facts", "outcomes", "tree"]

PASSWD = b"root:x:0:0:root:/root:/bin/bash\nairbyte:x:1000:1000::/home/airbyte:/bin/sh\n"
GROUP = b"root:x:0:\nairbyte:x:1000:\nusers:x:100:airbyte,other\n"
AIRBYTE_ENV = (
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "LANG=C.UTF-8",
    "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D",
    "PYTHON_VERSION=3.11.9",
)


def airbyte(platform: Platform = AMD64, **changes: Files) -> Files:
    """Return a base image that keeps Airbyte's contract, each of *changes* under its name in place of its like."""
    parts: dict[str, Files] = {
        "python": python_org(platform=platform, pip="24.0"),
        "commands": [program("usr/bin/bash", b"\x7fELF"), program("usr/bin/socat", b"\x7fELF")],
        "pip": [program("usr/local/bin/pip", b"#!")],
        "users": [file("etc/passwd", PASSWD), file("etc/group", GROUP)],
        "timezone": [link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")],
        "airbyte": [folder("airbyte", uid=1000, gid=1000)],
        "cache": [folder("custom_cache")],
    }
    assert changes.keys() <= parts.keys()
    # pip's script is among python_org's files, and not executable there.
    files = [item for part in (parts | changes).values() for item in part]
    return list({entry.path: (entry, content) for entry, content in files}.values())


def tree(files: Files) -> ImageTree:
    """Return *files* as a tree that has the contents of all of them."""

    found = ImageTree()
    for entry, content in files:
        node = node_of(entry, layer=0)
        found.place(entry.path, node._replace(content=content) if entry.kind == "file" else node)
    return found


def facts(files: Files = (), env: Mapping[str, str] | None = None, **more: object) -> Facts:
    """Return the facts of an image of *files*."""
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin"} if env is None else env
    return Facts(env=variables, tree=tree(files), **more)  # type: ignore[arg-type]


def check(found: Facts, **expected: object) -> Finding:
    """Return the only finding of *expected*, the arguments of Expectations, for *found*."""
    (finding,) = check_base(Expectations(where="x", **expected), found)  # type: ignore[arg-type]
    return finding


def outcomes(found: Facts, **expected: object) -> dict[str, str]:
    """Return by check what was found where it failed, empty where it passed."""
    findings = check_base(Expectations(where="x", **expected), found)  # type: ignore[arg-type]
    return {one.check: one.found if one.outcome == "failed" else "" for one in findings}


class Programs:
    """An executor of programs that each write something, or raise it; what was run is in ``ran``."""

    name = "programs"

    def __init__(self, outputs: Mapping[str, str | Exception]) -> None:
        self.outputs = outputs
        self.ran: list[Execution] = []

    async def run(
        self, execution: Execution, *, secrets: Mapping[str, bytes] = {}, listener: Listener = unheard
    ) -> Observation:
        self.ran.append(execution)
        output = self.outputs[execution.argv[0]]
        if isinstance(output, Exception):
            raise output
        return Observation(changes=Changes(), stdout=output)
