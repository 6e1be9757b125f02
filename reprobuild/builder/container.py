"""An image on the way: the layers that it has so far, and how what runs in it would be started.

What becomes of a step on it is a new value; what was there before stays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reprobuild.builder.account import Account
from reprobuild.builder.assembly import NamedLayer
from reprobuild.builder.hook import Hook
from reprobuild.canonical import Digest
from reprobuild.derivation import Derivation
from reprobuild.engines.execution import Execution, Mount, Secret
from reprobuild.hooks.container import ContainerConfig
from reprobuild.image.index import RootLayer
from reprobuild.oci.types import ImageConfig, Manifest

__all__ = ["INPUTS", "Container", "at_start", "installed", "labelled", "program_execution", "step_execution"]

INPUTS = "/run/reprobuild/inputs"
"""Where hooks find their declared inputs, each under its name."""
SECRETS = "/run/secrets"
_HOOKS = "/run/reprobuild/hooks"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """``layers`` are all of the image so far, lowest first; ``made`` those above the base, each with a word.

    ``root`` is what a program starts from, where that is more than the image: within a customization, what is
    masked of one step, such as a script in /tmp, is there for the next.
    """

    layers: tuple[RootLayer, ...]
    config: ContainerConfig
    made: tuple[NamedLayer, ...] = ()
    root: tuple[RootLayer, ...] | None = None

    @property
    def running(self) -> tuple[RootLayer, ...]:
        """The layers of the root filesystem that a program starts from, lowest first."""
        return self.layers if self.root is None else self.root

    def with_layers(self, layers: Iterable[NamedLayer]) -> "Container":
        """Return this image with *layers* on top."""
        made = tuple(layers)
        return replace(self, layers=(*self.layers, *(layer for layer, _ in made)), made=(*self.made, *made))


def at_start(derivation: Derivation, base: Manifest, config: ImageConfig) -> Container:
    """Return the base image of *derivation*, with the environment that its images have."""
    described = [
        RootLayer(descriptor=layer, diff_id=diff_id)
        for layer, diff_id in zip(base.layers, config.diff_ids, strict=True)
    ]
    return Container(
        layers=tuple(described),
        config=ContainerConfig(
            env={**config.env, **derivation.env},
            workdir=str(config.config.get("WorkingDir") or ""),
            user=str(config.config.get("User") or ""),
            labels=dict(config.config.get("Labels") or {}),
            entrypoint=tuple(config.config.get("Entrypoint") or ()),
        ),
    )


def installed(container: Container, derivation: Derivation) -> Container:
    """Return *container* started as *derivation* says: its connector is in it now."""
    config = replace(
        container.config,
        workdir=derivation.workdir,
        entrypoint=derivation.entrypoint,
        user=container.config.user if derivation.user is None else derivation.user,
    )
    return replace(container, config=config)


def labelled(container: Container, derivation: Derivation) -> Container:
    """Return *container* with the labels of *derivation*, which are set last, as Airbyte's own build does."""
    labels = {**container.config.labels, **derivation.labels}
    return replace(container, config=replace(container.config, labels=labels))


def program_execution(hook: Hook, container: Container, derivation: Derivation, account: Account) -> Execution:
    """Return the run of the program *hook* in *container*, as root."""
    target = f"{_HOOKS}/{hook.kind}"
    cwd = "/" if hook.kind == "pre-install" else derivation.workdir
    mounts = (Mount(target=target, digest=hook.digest, executable=True), *_inputs(derivation))
    return _execution((target,), container, derivation, account, what=str(hook), cwd=cwd, mounts=mounts)


def step_execution(
    argv: tuple[str, ...], container: Container, derivation: Derivation, account: Account, *, stdin: Digest | None
) -> Execution:
    """Return the run of *argv* in *container*, as a step of ``build_customization.py``."""
    what = f"build_customization.py: {' '.join(argv)[:60].strip()}"
    cwd = container.config.workdir or "/"
    execution = _execution(argv, container, derivation, account, what=what, cwd=cwd, mounts=_inputs(derivation))
    return replace(execution, stdin=stdin)


def _execution(
    argv: tuple[str, ...],
    container: Container,
    derivation: Derivation,
    account: Account,
    *,
    what: str,
    cwd: str,
    mounts: tuple[Mount, ...],
) -> Execution:
    return Execution(
        what=f"{derivation.connector}: {what}",
        platform=derivation.platform,
        layers=container.running,
        argv=argv,
        env=_env(container.config.env, account, derivation),
        cwd=cwd,
        uid=account.uid,
        gid=account.gid,
        groups=account.groups,
        mounts=mounts,
        secrets=tuple(Secret(name=name, target=f"{SECRETS}/{name}") for name in derivation.secrets),
        network=derivation.network,
        epoch=derivation.epoch,
        timeout=derivation.timeout,
    )


def _env(env: Mapping[str, str], account: Account, derivation: Derivation) -> dict[str, str]:
    """Return the image's environment with what makes tools deterministic, where the image does not say otherwise."""
    defaults = {
        "PATH": _PATH,
        "HOME": account.home,
        "SOURCE_DATE_EPOCH": str(derivation.epoch),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "REPROBUILD_INPUTS": INPUTS,
    }
    return {**defaults, **env}


def _inputs(derivation: Derivation) -> tuple[Mount, ...]:
    return tuple(Mount(target=f"{INPUTS}/{item.name}", digest=item.digest) for item in derivation.inputs)
