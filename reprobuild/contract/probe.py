"""The checks of a contract that take an execution: versions that commands tell of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from reprobuild.builder.account import Account
from reprobuild.contract.check import command_path, runs_as
from reprobuild.contract.facts import DEFAULT_PATH, Facts
from reprobuild.contract.finding import Finding
from reprobuild.contract.version import agrees, told_version
from reprobuild.engines.execution import Execution, ExecutionError
from reprobuild.errors import MachineError
from reprobuild.gathering import gathered
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import Platform
from reprobuild.workspace.expect import Expectations

if TYPE_CHECKING:
    from reprobuild.builder.executions import Executions

__all__ = ["Probe", "probe", "probes"]

_SECONDS = 60.0
"""What a command may take to tell its version, emulated perhaps."""
_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A command at ``path`` whose version shall be *wanted*, and how it is asked."""

    command: str
    path: str
    wanted: str
    execution: Execution

    @property
    def check(self) -> str:
        """The name of the check."""
        return f"command {self.command} {self.wanted}"


def probes(
    expectations: Expectations, facts: Facts, layers: tuple[RootLayer, ...], platform: Platform, *, what: str
) -> tuple[Probe, ...]:
    """Return what to ask the image of *facts*, made of *layers*; commands that are not there are not asked.

    *what* begins the words for messages and progress.
    """
    account = facts.account(runs_as(expectations, facts))
    if account is None:
        return ()
    env = _env(facts.env, account)
    found = []
    for command, wanted in expectations.commands.items():
        path, _ = command_path(facts, command, account) if wanted != "*" else (None, "")
        if path is not None:
            execution = Execution(
                what=f"{what}: {command} --version",
                platform=platform,
                layers=layers,
                argv=(path, "--version"),
                env=env,
                uid=account.uid,
                gid=account.gid,
                groups=account.groups,
                timeout=_SECONDS,
            )
            found.append(Probe(command=command, path=path, wanted=wanted, execution=execution))
    return tuple(found)


async def probe(asked: tuple[Probe, ...], executions: "Executions | None") -> tuple[Finding, ...]:
    """Return what became of *asked*: unchecked where this machine, or no *executions*, can run them."""
    return tuple(await gathered([partial(_finding, one, executions) for one in asked], limit=_AT_ONCE))


async def _finding(asked: Probe, executions: "Executions | None") -> Finding:
    if executions is None:
        return Finding(check=asked.check, outcome="unchecked", found="nothing is executed here")
    try:
        seen = await executions.run(asked.execution)
    except MachineError as error:
        found = f"{error.message}; {error.hint}" if error.hint else error.message
        return Finding(check=asked.check, outcome="unchecked", found=found)
    except ExecutionError as error:
        last = error.output.strip().rpartition("\n")[2][:200]
        how = f"ended with exit code {error.code}" if error.code is not None else f"did not end in {_SECONDS:.0f} s"
        found = f"{asked.path} --version {how}" + (f": {last}" if last else "")
        return Finding(check=asked.check, outcome="failed", found=found)
    version = told_version(seen.stdout) or told_version(seen.stderr)
    if version is None:
        return Finding(check=asked.check, outcome="failed", found=f"{asked.path} --version tells no version")
    fits = agrees(version, asked.wanted)
    return Finding(check=asked.check, outcome="passed" if fits else "failed", found=f"{asked.path} is {version}")


def _env(env: Mapping[str, str], account: Account) -> dict[str, str]:
    """Return *env* with what every runtime adds to it."""
    return {"PATH": DEFAULT_PATH, "HOME": account.home, **env}
