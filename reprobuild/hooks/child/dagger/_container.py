"""The container that a hook is given: an immutable list of operations, and questions about where they lead."""

from __future__ import annotations

from collections.abc import Callable

from ._asked import Asked
from ._session import current, line_of_hook
from ._sources import Directory, File
from ._unsupported import refusal, refuse_options
from ._values import mode, owner_of, text, texts

__all__ = ["Container"]

_MOST_OPERATIONS = 1000
_MOST_NESTED = 30


class Container(Asked):
    """What some operations make of the container that the hook was given."""

    __slots__ = ()

    def __init__(self, *_: object, **__: object) -> None:
        raise current.refuse(
            "reprobuild does not support dagger.Container(…)", "use the container that the hook is given"
        )

    @classmethod
    def _made(cls, operations: list[dict[str, object]], count: int, depth: int) -> Container:
        container = object.__new__(cls)
        container._operations, container._count, container._depth = operations, count, depth
        return container

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return refusal("Container", name)

    def _then(self, kind: str, source: File | Directory | None = None, /, **members: object) -> Container:
        """Return the container after one more operation; sources count with all that leads to them."""
        step: dict[str, object] = {"kind": kind, **members, "line": line_of_hook()}
        count, depth = self._count + 1, self._depth
        if source is not None:
            step["source"] = {"operations": source.container._operations, "path": source.path}  # noqa: SLF001
            count, depth = count + source.container._count, max(depth, 1 + source.container._depth)  # noqa: SLF001
        if count > _MOST_OPERATIONS or depth > _MOST_NESTED:
            message = f"a container of more than {_MOST_OPERATIONS} operations, or one that copies from too many others"
            raise current.refuse(message, "copy from the container that the hook was given, or from a program's result")
        return self._made([*self._operations, step], count, depth)

    # Programs

    def with_exec(
        self,
        args: list[str],
        skip_entrypoint: bool | None = None,  # noqa: FBT001 - as Dagger had it
        stdin: str | None = None,
        *,
        use_entrypoint: bool | None = None,
        **options: object,
    ) -> Container:
        """Run a program. The entrypoint stands before it only if asked for, as in Dagger since 0.12."""
        call = "Container.with_exec"
        refuse_options(call, {name: value for name, value in options.items() if name != "no_init"})
        if skip_entrypoint and use_entrypoint:
            raise ValueError(f"{call}: skip_entrypoint and use_entrypoint contradict each other")
        words = texts(args, call, "args")
        if not words or not words[0]:
            raise ValueError(f"{call}: args is empty: default arguments are not supported")
        entered = bool(use_entrypoint) or skip_entrypoint is False
        given = None if stdin is None else text(stdin, call, "contents", empty=True)
        return self._then("exec", args=words, use_entrypoint=entered, stdin=given)

    # Settings

    def with_env_variable(self, name: str, value: str, expand: bool | None = None) -> Container:  # noqa: FBT001
        """Set a variable."""
        call = "Container.with_env_variable"
        known = self._variable_name(name, call)
        return self._then("variable", name=known, value=text(value, call, "value", empty=True), expand=bool(expand))

    def without_env_variable(self, name: str) -> Container:
        """Remove a variable."""
        known = self._variable_name(name, "Container.without_env_variable")
        return self._then("variable", name=known, value=None, expand=False)

    @staticmethod
    def _variable_name(name: object, call: str) -> str:
        if "=" in (known := text(name, call, "name")):
            raise ValueError(f"{call}: not a name of a variable: {known[:100]!r}")
        return known

    def with_label(self, name: str, value: str) -> Container:
        """Set a label."""
        call = "Container.with_label"
        return self._then("label", name=text(name, call, "name"), value=text(value, call, "value", empty=True))

    def without_label(self, name: str) -> Container:
        """Remove a label."""
        return self._then("label", name=text(name, "Container.without_label", "name"), value=None)

    def with_user(self, name: str) -> Container:
        """Become a user."""
        return self._then("user", name=text(name, "Container.with_user", "name"))

    def without_user(self) -> Container:
        """Become root."""
        return self._then("user", name=None)

    def with_workdir(self, path: str, **options: object) -> Container:
        """Change the working directory."""
        refuse_options("Container.with_workdir", options)
        return self._then("workdir", path=text(path, "Container.with_workdir", "path"))

    def without_workdir(self) -> Container:
        """Go to the root."""
        return self._then("workdir", path=None)

    def with_entrypoint(self, args: list[str], keep_default_args: bool | None = None) -> Container:  # noqa: ARG002, FBT001
        """Set the entrypoint. Images have no default arguments, so there are none to keep."""
        return self._then("entrypoint", args=texts(args, "Container.with_entrypoint", "args"))

    def without_entrypoint(self, keep_default_args: bool | None = None) -> Container:  # noqa: ARG002, FBT001
        """Remove the entrypoint."""
        return self._then("entrypoint", args=None)

    def without_default_args(self) -> Container:
        """Return this: images have no default arguments."""
        return self

    # Files

    def with_new_file(
        self,
        path: str,
        contents: str | None = None,
        permissions: int | None = None,
        owner: str | None = None,
        **options: object,
    ) -> Container:
        """Write a file."""
        call = "Container.with_new_file"
        refuse_options(call, options)
        written = "" if contents is None else text(contents, call, "contents", empty=True)
        return self._then(
            "new-file", path=text(path, call, "path"), contents=written, **_given(permissions, owner, call)
        )

    def with_file(
        self, path: str, source: File, permissions: int | None = None, owner: str | None = None, **options: object
    ) -> Container:
        """Copy a file of a container."""
        call = "Container.with_file"
        refuse_options(call, options)
        if not isinstance(source, File):
            raise TypeError(f"{call}: source is to be a File, not {type(source).__name__}")
        return self._then("file", source, path=text(path, call, "path"), **_given(permissions, owner, call))

    def with_files(
        self,
        path: str,
        sources: list[File],
        permissions: int | None = None,
        owner: str | None = None,
        **options: object,
    ) -> Container:
        """Copy files into a folder."""
        container = self
        for source in sources:
            folder = text(path, "Container.with_files", "path").rstrip("/") + "/"
            container = container.with_file(folder, source, permissions, owner, **options)
        return container

    def with_directory(
        self,
        path: str,
        source: Directory | None = None,
        exclude: list[str] | None = None,
        include: list[str] | None = None,
        owner: str | None = None,
        *,
        directory: Directory | None = None,
        **options: object,
    ) -> Container:
        """Copy what a directory of a container holds. ``directory`` is what ``source`` was called before."""
        call = "Container.with_directory"
        refuse_options(call, options)
        copied = source if source is not None else directory
        if not isinstance(copied, Directory):
            raise TypeError(f"{call}: source is to be a Directory, not {type(copied).__name__}")
        return self._then(
            "directory",
            copied,
            path=text(path, call, "path"),
            include=texts(include or [], call, "include"),
            exclude=texts(exclude or [], call, "exclude"),
            owner=owner_of(owner, call),
        )

    def without_file(self, path: str, **options: object) -> Container:
        """Remove a file."""
        return self._without("remove-file", path, "Container.without_file", options)

    def without_files(self, paths: list[str], **options: object) -> Container:
        """Remove files."""
        container = self
        for path in texts(paths, "Container.without_files", "paths"):
            container = container.without_file(path, **options)
        return container

    def without_directory(self, path: str, **options: object) -> Container:
        """Remove a directory."""
        return self._without("remove-directory", path, "Container.without_directory", options)

    def _without(self, kind: str, path: object, call: str, options: dict[str, object]) -> Container:
        refuse_options(call, options)
        removed = text(path, call, "path")
        if set(removed) & set("*?["):
            raise current.refuse(
                f"reprobuild does not support patterns in {call}", 'with_exec(["sh", "-c", "rm -f …"])'
            )
        return self._then(kind, path=removed)

    def with_(self, call: Callable[[Container], Container]) -> Container:
        """Return what *call* makes of this."""
        return call(self)

    # Questions

    def file(self, path: str, **options: object) -> File:
        """Return a file of this container."""
        refuse_options("Container.file", options)
        return File(self, text(path, "Container.file", "path"))

    def directory(self, path: str, **options: object) -> Directory:
        """Return a directory of this container."""
        refuse_options("Container.directory", options)
        return Directory(self, text(path, "Container.directory", "path"))

    def rootfs(self) -> Directory:
        """Return the root directory."""
        return Directory(self, "/")


def _given(permissions: object, owned: object, call: str) -> dict[str, object]:
    return {"permissions": mode(permissions, call), "owner": owner_of(owned, call)}
