"""What a container is apart from its files, and how operations change that, as Dagger's do."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from reprobuild.hooks.operations import (
    Exec,
    SetEntrypoint,
    SetLabel,
    Setting,
    SetUser,
    SetVariable,
    SetWorkdir,
)

__all__ = ["Answer", "ContainerConfig", "Question", "absolute", "apply_setting", "argv_of", "setting_answer"]

_VARIABLE = re.compile(r"\$(?:\{([^{}]*)\}|([A-Za-z_][A-Za-z0-9_]*))", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerConfig:
    """The part of an image's config that hooks change and ask for. ``workdir`` is absolute; no user means root."""

    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a hook waits for. ``name`` is a path for contents and entries, a name for variable and label, else empty.

    The answers: stdout and stderr are what the last program wrote; contents a file's text; entries the names in a
    directory, sorted, directories with a slash; variable and label a text or None; variables and labels mappings;
    workdir, user (empty for none) and platform (``linux/amd64``) texts; entrypoint a list of texts; sync None, when
    all has been done without an error.
    """

    kind: Literal[
        "stdout",
        "stderr",
        "contents",
        "entries",
        "variable",
        "variables",
        "label",
        "labels",
        "workdir",
        "user",
        "entrypoint",
        "platform",
        "sync",
    ]
    name: str = ""


Answer = str | tuple[str, ...] | Mapping[str, str] | None


def apply_setting(config: ContainerConfig, setting: Setting) -> ContainerConfig:
    """Return *config* after *setting*."""
    match setting:
        case SetVariable(name=name, value=value, expand=expand):
            filled = _expanded(config, value) if expand and value is not None else value
            return replace(config, env=_with(config.env, name, filled))
        case SetLabel(name=name, value=value):
            return replace(config, labels=_with(config.labels, name, value))
        case SetUser(name=user):
            return replace(config, user=user or "")
        case SetWorkdir(path=path):
            return replace(config, workdir="/" if path is None else absolute(config, path))
        case SetEntrypoint(args=args):
            return replace(config, entrypoint=args or ())


def absolute(config: ContainerConfig, path: str) -> str:
    """Return *path* as it is seen from the working directory: absolute and clean, its links not followed."""
    return "/" + posixpath.normpath(posixpath.join("/", config.workdir, path)).lstrip("/")


def argv_of(config: ContainerConfig, operation: Exec) -> tuple[str, ...]:
    """Return the words that *operation* runs."""
    return (*config.entrypoint, *operation.args) if operation.use_entrypoint else operation.args


def setting_answer(config: ContainerConfig, question: Question) -> Answer:
    """Return the answer to a *question* about settings; raise KeyError for one that needs files or a program."""
    return {
        "variable": config.env.get(question.name),
        "variables": config.env,
        "label": config.labels.get(question.name),
        "labels": config.labels,
        "workdir": config.workdir,
        "user": config.user,
        "entrypoint": config.entrypoint,
    }[question.kind]


def _with(mapping: Mapping[str, str], name: str, value: str | None) -> Mapping[str, str]:
    kept = {key: old for key, old in mapping.items() if value is not None or key != name}
    return kept if value is None else {**kept, name: value}


def _expanded(config: ContainerConfig, text: str) -> str:
    """Fill in ``$NAME`` and ``${NAME}``; what is not set is empty."""
    return _VARIABLE.sub(lambda found: config.env.get(found[1] or found[2] or "", ""), text)
