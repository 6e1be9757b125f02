"""The talk with reprobuild: a line of JSON each way. Questions wait: nothing else runs in this process."""

from __future__ import annotations

import json
import os
import sys
from types import FrameType

from ._errors import ExecError, QueryError, UnsupportedOperation

__all__ = ["Session", "current", "line_of_hook"]


class Session:
    """One talk. ``refused`` is the first thing that the hook asked for in vain, ``absent`` are such variables."""

    def __init__(self) -> None:
        self.hook = ""
        self.refused: UnsupportedOperation | None = None
        self.absent: list[str] = []
        self._socket = -1
        self._received = bytearray()
        self._asked = 0

    def open(self, socket: int) -> None:
        """Talk through the file descriptor *socket* from now on."""
        self._socket = socket

    def send(self, message: dict[str, object]) -> None:
        """Send *message*."""
        left = memoryview(json.dumps(message).encode("ascii") + b"\n")
        while left:
            left = left[os.write(self._socket, left) :]

    def receive(self) -> dict[str, object]:
        """Wait for a message; end this process if nobody is there any more."""
        while (end := self._received.find(b"\n")) < 0:
            chunk = os.read(self._socket, 1 << 16)
            if not chunk:
                os._exit(1)
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return dict(json.loads(line))

    def ask(self, kind: str, operations: list[dict[str, object]], name: str = "") -> object:
        """Return the answer to a question about the container that *operations* lead to."""
        self._asked += 1
        self.send({"kind": "ask", "question": [kind, name], "operations": operations})
        answer = self.receive()
        failed = answer.get("failed")
        if isinstance(failed, dict):
            raise ExecError(str(failed.pop("message")), number=self._asked, **failed)
        if "refused" in answer:
            raise QueryError(str(answer["refused"]))
        return answer["answer"]

    def refuse(self, message: str, hint: str | None = None) -> UnsupportedOperation:
        """Return the error to raise; that it was raised is remembered, whatever the hook makes of it."""
        error = UnsupportedOperation(message, hint, line=line_of_hook())
        self.refused = self.refused or error
        return error

    def miss(self, name: str) -> None:
        """Tell that the hook asked for the variable *name*, which is not there."""
        if name not in self.absent:
            self.absent.append(name)
            self.send({"kind": "absent", "name": name})


current = Session()


def line_of_hook() -> int:
    """Return the line at which the hook's file is being run, 0 if it is not."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - what traceback is made of, without its cost
    while frame is not None:
        if frame.f_code.co_filename == current.hook:
            return frame.f_lineno
        frame = frame.f_back
    return 0
