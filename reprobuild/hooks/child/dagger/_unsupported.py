"""What Dagger has and reprobuild has not, and what to do instead."""

from __future__ import annotations

from ._session import current

__all__ = ["Missing", "missing_type", "refusal", "refuse_options"]

_INPUT = "declare the file as [[tool.reprobuild.input]]: hooks find it, checked, under /run/reprobuild/inputs"
_SECRET = "declare it as [[tool.reprobuild.secret]]: programs find it under /run/secrets"  # noqa: S105
_NO_ENGINE = "there is no engine here: a hook is given its container and returns what it makes of it"
_NO_MOUNT = "nothing can be mounted: copy with with_file or with_directory, and remove what may not stay"
_NO_SERVICE = "programs run alone and without a network"
_BASE = "the base image is chosen by `base` in [tool.reprobuild], or by metadata.yaml"
_SHELL = 'let a shell do it: with_exec(["sh", "-c", "program > file"])'
_OURS = "`reprobuild build -o PATH` writes the image"
_ARGUMENTS = "say all of it with with_entrypoint"

_HINTS = {
    "with_mounted_secret": _SECRET,
    "with_secret_variable": _SECRET,
    "without_secret_variable": _SECRET,
    "set_secret": _SECRET,
    "secret": _SECRET,
    "Secret": _SECRET,
    "with_registry_auth": "log in with `docker login`, `podman login` or `skopeo login`",
    "host": _INPUT,
    "http": _INPUT,
    "git": _INPUT,
    "directory": _INPUT,
    "file": _INPUT,
    "with_mounted_file": _NO_MOUNT,
    "with_mounted_directory": _NO_MOUNT,
    "with_mounted_cache": _NO_MOUNT,
    "with_mounted_temp": "write below /tmp: nothing of it gets into the image",
    "with_service_binding": _NO_SERVICE,
    "with_exposed_port": "no connector listens; leave it out",
    "with_unix_socket": _NO_SERVICE,
    "as_service": _NO_SERVICE,
    "from_": _BASE,
    "container": _BASE,
    "build": _BASE,
    "docker_build": _BASE,
    "import_": _BASE,
    "with_rootfs": _BASE,
    "publish": _OURS,
    "export": _OURS,
    "export_image": _OURS,
    "as_tarball": _OURS,
    "with_default_args": _ARGUMENTS,
    "default_args": _ARGUMENTS,
    "with_annotation": "say labels with with_label",
    "with_symlink": 'with_exec(["ln", "-s", target, name])',
    "with_new_directory": 'with_exec(["mkdir", "-p", path])',
    "with_timestamps": "all times in an image are the epoch of the workspace: leave it out",
    "exists": 'await with_exec(["sh", "-c", "test -e … && echo yes || true"]).stdout()',
    "combined_output": 'await with_exec(["sh", "-c", "program 2>&1"]).stdout()',
    "redirect_stdin": _SHELL,
    "redirect_stdout": _SHELL,
    "redirect_stderr": _SHELL,
    "expect": 'let a shell decide: with_exec(["sh", "-c", "program || true"])',
    "Connection": _NO_ENGINE,
    "connect": _NO_ENGINE,
    "connection": _NO_ENGINE,
    "Client": _NO_ENGINE,
    "dag": _NO_ENGINE,
}

_OTHERWISE = (
    "docs/how-to/hooks.md lists what hooks can do; a script hooks/pre-install or hooks/post-install can do more"
)


def refusal(owner: str, name: str) -> Missing:
    """Return what stands for *owner*'s member *name*: it can be looked at, and fails by name when it is used."""
    return Missing(f"{owner}.{name}", _HINTS.get(name, _OTHERWISE))


def refuse_options(call: str, options: dict[str, object]) -> None:
    """Raise for the first of *options* that is not at a default."""
    for name, value in options.items():
        if value is not None and value is not False and value not in ("", [], ()):
            raise current.refuse(f"reprobuild does not support {call}({name}=…)", _HINTS.get(name, _OTHERWISE))


class Missing:
    """Something of Dagger's that is not here; only its name is."""

    __slots__ = ("_hint", "_name")

    def __init__(self, name: str, hint: str | None = None) -> None:
        self._name = name
        self._hint = hint or _HINTS.get(name, _OTHERWISE)

    def __call__(self, *_: object, **__: object) -> object:
        raise current.refuse(f"reprobuild does not support {self._name}", self._hint)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        raise current.refuse(f"reprobuild does not support {self._name}.{name}", _HINTS.get(name, self._hint))


class _MissingType(type):
    def __call__(cls, *_: object, **__: object) -> object:
        return refusal("dagger", cls.__name__)()

    def __getattr__(cls, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(refusal("dagger", cls.__name__), name)


def missing_type(name: str) -> type:
    """Return a type that annotations may name and that nothing is an instance of."""
    return _MissingType(name, (), {"__module__": "dagger"})
