"""What ``build_customization.py`` asks for, done: operations applied to an image on the way, questions answered."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from anyio import to_thread

from reprobuild.builder.account import ROOT, Account, account_of
from reprobuild.builder.container import Container, step_execution
from reprobuild.builder.executions import Executions, Secrets
from reprobuild.builder.file_change import FileOperation, file_changes, is_input
from reprobuild.builder.hook import Hook, Stage
from reprobuild.builder.root import Root
from reprobuild.builder.step import stepped_within
from reprobuild.derivation import Derivation
from reprobuild.engines.execution import Change, Changes
from reprobuild.errors import SpecificationError
from reprobuild.hooks.container import (
    Answer,
    ContainerConfig,
    Question,
    absolute,
    apply_setting,
    argv_of,
    setting_answer,
)
from reprobuild.hooks.customization import customize
from reprobuild.hooks.operations import (
    Exec,
    Operation,
    SetEntrypoint,
    SetLabel,
    SetUser,
    SetVariable,
    SetWorkdir,
    Source,
)
from reprobuild.store import Store

__all__ = ["Customized"]

_T = TypeVar("_T")
_SETTINGS = (SetVariable, SetLabel, SetUser, SetWorkdir, SetEntrypoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """A container after some operations; changes of files that are not in a layer yet; what ran last has written."""

    container: Container
    changed: tuple[Change, ...] = ()
    removed: tuple[str, ...] = ()
    stdout: str = ""
    stderr: str = ""

    @property
    def config(self) -> ContainerConfig:
        return self.container.config

    def changed_by(self, changes: Changes) -> "_State":
        """Return this state with *changes* after its own: the later ones win."""
        gone = tuple(f"{path}/" for path in changes.removed)
        paths = {change.entry.path for change in changes.present}
        kept = tuple(
            change
            for change in self.changed
            if change.entry.path not in {*paths, *changes.removed} and not change.entry.path.startswith(gone)
        )
        return replace(self, changed=(*kept, *changes.present), removed=(*self.removed, *changes.removed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Customized:
    """Applies a customization's operations to the container ``start``; each list of operations is applied once."""

    derivation: Derivation
    store: Store
    executions: Executions
    secrets: Secrets
    start: Container
    _states: dict[tuple[Operation, ...], _State] = field(default_factory=dict)

    async def after(self, hook: Hook, stage: Stage) -> Container:
        """Return the container after the function of *hook* for *stage*; raises what the hook's process does."""
        operations = await customize(
            hook.source,
            "pre_connector_install" if stage == "pre-install" else "post_connector_install",
            self._answer,
            what=f"{self.derivation.connector}: {hook}",
            timeout=self.derivation.timeout,
            listener=self.executions.listener,
            digest=hook.digest,
        )
        container = (await self._layered(await self._state(operations), "build_customization.py: files")).container
        return replace(container, root=None)

    async def _answer(self, operations: tuple[Operation, ...], question: Question) -> Answer:
        """Answer *question* about the container that *operations* lead to."""
        state = await self._state(operations)
        if question.kind == "contents":
            return await self._thread(self._contents, state, question.name)
        if question.kind == "entries":
            return await self._thread(self._entries, state, question.name)
        seen = {"stdout": state.stdout, "stderr": state.stderr, "platform": str(self.derivation.platform), "sync": None}
        return seen[question.kind] if question.kind in seen else setting_answer(state.config, question)

    async def _state(self, operations: tuple[Operation, ...]) -> _State:
        known = next(
            count for count in range(len(operations), -1, -1) if not count or operations[:count] in self._states
        )
        state = self._states[operations[:known]] if known else _State(container=self.start)
        for count in range(known, len(operations)):
            state = await self._applied(state, operations[count])
            self._states[operations[: count + 1]] = state
        return state

    async def _applied(self, state: _State, operation: Operation) -> _State:
        if isinstance(operation, Exec):
            return await self._executed(state, operation)
        if isinstance(operation, _SETTINGS):
            config = apply_setting(state.config, operation)
            return replace(state, container=replace(state.container, config=config))
        sources = await self._sources(operation)
        return state.changed_by(await self._thread(self._file_changes, state, operation, sources))

    async def _executed(self, state: _State, operation: Exec) -> _State:
        state = await self._layered(state, "build_customization.py: files")
        argv = argv_of(state.config, operation)
        account = await self._thread(self._account, state)
        stdin = None if operation.stdin is None else self.store.add(operation.stdin.encode())
        execution = step_execution(argv, state.container, self.derivation, account, stdin=stdin)
        seen = await self.executions.run_hook(execution, secrets=self.secrets)
        word = f"build_customization.py: {' '.join(argv)}"
        done = await self._thread(self._stepped, state.container, seen.changes, word, execution.what)
        return _State(container=done, stdout=seen.stdout, stderr=seen.stderr)

    async def _layered(self, state: _State, word: str) -> _State:
        """Return *state* with all changes of files in a layer."""
        changes = Changes(present=state.changed, removed=state.removed)
        where = f"{self.derivation.connector}: {word}"
        container = await self._thread(self._stepped, state.container, changes, word, where)
        return replace(state, container=container, changed=(), removed=())

    async def _sources(self, operation: FileOperation) -> dict[Source, _State]:
        """Return the state of the container that *operation* copies from, if it copies."""
        source = getattr(operation, "source", None)
        return {} if source is None else {source: await self._state(source.operations)}

    async def _thread(self, call: Callable[..., _T], *arguments: object) -> _T:
        return await to_thread.run_sync(partial(call, *arguments))

    def _stepped(self, container: Container, changes: Changes, word: str, where: str) -> Container:
        return stepped_within(container, changes, self.derivation, self.store, word=f"hook {word}", where=where)

    def _file_changes(self, state: _State, operation: FileOperation, sources: dict[Source, _State]) -> Changes:
        where = f"{self.derivation.connector}: build_customization.py, line {operation.line}"
        return file_changes(
            operation,
            self._root(state),
            state.config,
            lambda source: (self._root(sources[source]), sources[source].config),
            self.derivation,
            self.store,
            where=where,
        )

    def _root(self, state: _State) -> Root:
        return Root(
            state.container.running,
            self.store,
            changed=state.changed,
            removed=state.removed,
            where=self.derivation.connector,
        )

    def _account(self, state: _State) -> Account:
        user = state.config.user
        if not user:
            return ROOT
        root = self._root(state)
        passwd, group = root.content("/etc/passwd") or b"", root.content("/etc/group") or b""
        return account_of(user, passwd, group, where=f"{self.derivation.connector}: build_customization.py")

    def _contents(self, state: _State, path: str) -> str:
        place = absolute(state.config, path)
        name = is_input(place, self.derivation)
        item = next((item for item in self.derivation.inputs if item.name == name), None)
        data = self.store.read(item.digest) if item else self._root(state).content(place)
        if data is None:
            raise SpecificationError(f"there is no file {place}", where=self._where)
        return data.decode("utf-8", "replace")

    def _entries(self, state: _State, path: str) -> tuple[str, ...]:
        root = self._root(state)
        found = root.tree.find(absolute(state.config, path))
        if found is None or found.node.kind != "directory":
            raise SpecificationError(f"there is no directory {absolute(state.config, path)}", where=self._where)
        children = [(name, root.tree.get(f"{found.path}/{name}")) for name in root.tree.names(found.path)]
        return tuple(name + ("/" if node is not None and node.kind == "directory" else "") for name, node in children)

    @property
    def _where(self) -> str:
        return f"{self.derivation.connector}: build_customization.py"
