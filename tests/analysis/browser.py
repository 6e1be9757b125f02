"""Chromium without a screen, spoken to through a pipe, by the DevTools protocol: no driver is needed."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Page", "page_of"]

_SECONDS = "300"
"""How long a browser may live: one that hangs makes its test fail, by the end of its answers."""
_OPTIONS = (
    *(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--window-size=1280,900",
    ),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-extensions"),
    "--remote-debugging-pipe",
)


class Page:
    """A page that is open: what it says on its console and asks of the network is kept."""

    def __init__(self, asking: int, answering: int) -> None:
        self._asking, self._answers = asking, os.fdopen(answering, "rb")
        self._number = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def open(self, path: Path) -> None:
        """Open the file *path* and wait until it has loaded."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")
        self.ask("Page.navigate", url=path.as_uri())
        self._wait(lambda message: message.get("method") == "Page.loadEventFired")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call *method* and return its result."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._asking, json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda message: message.get("id") == number)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def value(self, script: str) -> Any:
        """Return what the expression *script* is in the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def shows(self, width: int, height: int, *, is_phone: bool = False) -> None:
        """Give the page *width* and *height* pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if is_phone else 1}
        self.ask("Emulation.setDeviceMetricsOverride", mobile=is_phone, **size)

    def prefers(self, **features: str) -> None:
        """Let the reader prefer, such as ``prefers_color_scheme="dark"``."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.ask("Emulation.setEmulatedMedia", features=named)

    def type(self, selector: str, text: str) -> None:
        """Put *text* into the field *selector*, as a reader who types would."""
        self.value(f"document.querySelector({json.dumps(selector)}).focus()")
        self.ask("Input.insertText", text=text)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Write what the page looks like to *path*, as PNG."""
        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def pdf(self) -> bytes:
        """Return the page in print."""
        found = self.ask(
            "Page.printToPDF", printBackground=False, preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.7
        )
        return base64.b64decode(found["data"])

    def close(self) -> None:
        """Let the browser end."""
        self._session = None
        self.ask("Browser.close")
        os.close(self._asking)
        self._answers.close()

    def _wait(self, is_it: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        while True:
            message = self._next()
            self._note(message)
            if is_it(message):
                return message

    def _next(self) -> dict[str, Any]:
        data = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has gone away"
            data += byte
        return dict(json.loads(data))

    def _note(self, message: Mapping[str, Any]) -> None:
        parameters = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(parameters["exceptionDetails"])[:500])
            case "Runtime.consoleAPICalled":
                self.complaints.append(json.dumps(parameters["args"])[:500])
            case "Log.entryAdded":
                self.complaints.append(parameters["entry"]["text"])


@contextmanager
def page_of(path: Path, folder: Path) -> Iterator[Page]:
    """Yield the page of the file *path*, in a browser of its own whose profile is in *folder*."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        if "ID=debian" in Path("/etc/os-release").read_text().splitlines():
            pytest.fail("chromium is missing: install Debian's package chromium, as scripts/test does")
        pytest.skip("this system has no package of Chromium")
    asked, asking = _pipe()
    answering, answered = _pipe()
    # Its pipe is at 3 and 4; a shell puts it there, since no other thread may run Python between fork and exec.
    start = f'exec "$@" 3<&{asked} 4>&{answered}'
    command = ["bash", "-c", start, "bash", "timeout", "-k", "5", _SECONDS, program, *_OPTIONS]
    browser = subprocess.Popen(
        [*command, f"--user-data-dir={folder}"],
        pass_fds=(asked, answered),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(asked)
    os.close(answered)
    page = Page(asking, answering)
    try:
        page.open(path)
        yield page
        page.close()
    finally:
        browser.terminate()
        browser.wait()


def _pipe() -> tuple[int, int]:
    """Return the ends of a pipe, numbered so that 3 and 4 are free for the browser's."""
    ends = os.pipe()
    raised = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return raised[0], raised[1]
