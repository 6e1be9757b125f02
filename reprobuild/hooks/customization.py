"""Airbyte's `build_customization.py`, unmodified: what its hooks make of a container, as operations."""

from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Literal, NoReturn, Protocol, get_args

from reprobuild.canonical import Digest, digest_of
from reprobuild.engines.execution import ExecutionError
from reprobuild.engines.executor import Listener
from reprobuild.errors import ReprobuildError, SpecificationError
from reprobuild.hooks.container import Answer, Question
from reprobuild.hooks.conversation import Conversation, Ended, converse
from reprobuild.hooks.operations import Exec, Operation
from reprobuild.hooks.wire import parse_operations
from reprobuild.store import machine_errors

__all__ = ["Evaluate", "HookFunction", "customize"]

HookFunction = Literal["pre_connector_install", "post_connector_install"]

_LARGEST = 1 << 20
_MOST_ABSENT = 100
_DOCUMENT = "docs/how-to/hooks.md says what hooks can do"


class Evaluate(Protocol):
    """What answers a hook's questions."""

    async def __call__(self, operations: tuple[Operation, ...], question: Question, /) -> Answer:
        """Do *operations* to the container that the hook was given, and return the answer to *question*.

        The hook may catch an ExecutionError, and a SpecificationError, for a question that has no answer such as
        the contents of no file, as Dagger's ExecError and QueryError. Any other error ends the hook.
        """
        ...


async def customize(
    script: Path,
    function: HookFunction,
    evaluate: Evaluate,
    *,
    what: str,
    timeout: float,  # noqa: ASYNC109 - of the hook's own time
    listener: Listener,
    digest: Digest | None = None,
) -> tuple[Operation, ...]:
    """Run *function* of *script* and return the operations that its container is made of.

    No operations if there is no such function. *what* names the hook in messages: ``source-x:
    build_customization.py``. *timeout* is in seconds of the hook's own time, without that of *evaluate*. *listener*
    is told what the hook prints, and which variables it asked for in vain. With *digest*, only these bytes are run.

    Raises SpecificationError, with the line, for a hook that fails or wants what there is not; the ExecutionError
    of a program that the hook did not catch; ExecutionError if it takes too long; and what *evaluate* raises.
    """
    source = _source(script, digest)
    request = {"source": source.decode("latin-1"), "name": script.name, "function": function}
    run = _Run(script, evaluate, what=what, timeout=timeout, listener=listener)
    try:
        return await converse(lambda conversation: run.talk(conversation, request), listener=listener)
    except Ended as error:
        raise run.ended(error) from error


def _source(script: Path, digest: Digest | None) -> bytes:
    with machine_errors(script), script.open("rb") as file:
        source = file.read(_LARGEST + 1)
    if digest is not None and digest_of(source) != digest:
        raise SpecificationError("was changed while it was in use", where=str(script), hint="build again")
    if len(source) > _LARGEST:
        raise SpecificationError(f"is larger than {_LARGEST} bytes", where=str(script))
    return source


class _Run:
    """One run of a hook: its questions answered, its end explained."""

    def __init__(self, script: Path, evaluate: Evaluate, *, what: str, timeout: float, listener: Listener) -> None:
        self._script = script
        self._evaluate = evaluate
        self._what = what
        self._timeout = timeout
        self._left = timeout
        self._listener = listener
        self._failures: dict[int, ReprobuildError] = {}
        self._asked = 0
        self._absent = 0

    async def talk(self, conversation: Conversation, request: object) -> tuple[Operation, ...]:
        """Have the hook run, answer what it asks, and return its operations."""
        await conversation.send(request)
        while (message := await self._next(conversation))["kind"] not in {"done", "failed"}:
            if message["kind"] == "absent":
                self._tell_absent(message)
            else:
                await conversation.send(await self._answer(message))
        if message["kind"] == "failed":
            self._fail(message)
        return self._operations(message)

    def ended(self, error: Ended) -> ReprobuildError:
        """Return the words for a process that ended, or had to be ended, before its hook did."""
        if error.late:
            message, hint = f"did not end within {self._timeout:g} seconds", "give it more with `timeout`"
            return ExecutionError(message, where=self._what, hint=hint, output="\n".join(error.tail), code=None)
        message = "its Python ended before it returned a container"
        last = "".join(f"\n  {line}" for line in error.tail[-5:])
        return SpecificationError(f"{message}{last}", where=str(self._script), hint=_DOCUMENT)

    async def _next(self, conversation: Conversation) -> Mapping[str, object]:
        """Wait for the next message as long as the hook has time left."""
        import anyio  # noqa: PLC0415

        started = monotonic()
        try:
            with anyio.fail_after(max(self._left, 0)):
                return _checked(await conversation.receive())
        except TimeoutError as error:
            raise Ended(late=True) from error
        finally:
            self._left -= monotonic() - started

    async def _answer(self, message: Mapping[str, object]) -> Mapping[str, object]:
        self._asked += 1
        operations, question = self._operations(message), _question(message["question"])
        try:
            return {"answer": await self._evaluate(operations, question)}
        except ExecutionError as error:
            self._failures[self._asked] = error
            return {"failed": _failed(error, operations)}
        except SpecificationError as error:
            self._failures[self._asked] = error
            return {"refused": str(error)}

    def _operations(self, message: Mapping[str, object]) -> tuple[Operation, ...]:
        return parse_operations(message["operations"], where=self._what)

    def _tell_absent(self, message: Mapping[str, object]) -> None:
        self._absent += 1
        if self._absent <= _MOST_ABSENT:
            name = str(message["name"])[:100]
            self._listener(f"{self._script.name} asked for {name}: hooks do not see the environment of this machine")

    def _fail(self, message: Mapping[str, object]) -> NoReturn:
        question = message.get("question")
        if isinstance(question, int) and question in self._failures:
            raise self._failures[question]
        frames = message.get("frames")
        steps = [f"\n  {frame}" for frame in frames] if isinstance(frames, list) else []
        hint = message.get("hint")
        raise SpecificationError(
            f"{message['message']}{''.join(steps)}",
            where=f"{self._script}:{message['line']}" if message["line"] else str(self._script),
            hint=str(hint) if hint else _DOCUMENT,
        )


def _failed(error: ExecutionError, operations: tuple[Operation, ...]) -> Mapping[str, object]:
    """Return what a hook is told of *error*, which is most likely its last program's."""
    programs = [operation for operation in operations if isinstance(operation, Exec)]
    return {
        "message": str(error),
        "command": list(programs[-1].args) if programs else [],
        "exit_code": -1 if error.code is None else error.code,
        "stdout": error.stdout.strip(),
        "stderr": error.stderr.strip(),
    }


def _checked(message: Mapping[str, object]) -> Mapping[str, object]:
    """Return *message* if it is one that a hook's process sends; raise Ended."""
    if not _MEMBERS.get(str(message.get("kind")), {"?"}) <= {*message}:
        raise Ended
    return message


def _question(value: object) -> Question:
    match value:
        case [str(kind), str(name)] if kind in _QUESTIONS:
            return Question(kind=kind, name=name)  # type: ignore[arg-type]
    raise Ended


_MEMBERS: Mapping[str, set[str]] = {
    "ask": {"question", "operations"},
    "absent": {"name"},
    "done": {"operations"},
    "failed": {"message", "hint", "line", "frames", "question"},
}
_QUESTIONS = frozenset(get_args(Question.__dataclass_fields__["kind"].type))
