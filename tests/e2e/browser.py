"""A headless Chromium, driven through its debugging pipe: no port is opened, nothing installed.

The protocol is Chromium's own (DevTools): JSON messages, each ended by a zero byte, read by the
browser from its file 3 and written to its file 4.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

KEYS = {
    "Enter": (13, "\r"), "ArrowLeft": (37, ""), "ArrowUp": (38, ""), "ArrowRight": (39, ""),
    "ArrowDown": (40, ""), "Home": (36, ""), "End": (35, ""), "Tab": (9, ""),
}  # fmt: skip
"""Name to virtual key code and the text it types."""

SECONDS = 120.0  # to wait for the browser, or for something on a page: a busy machine is no failure

# Elements that are shown, with a text, or called so for those who do not see them.
_CALLED = """
(wanted, kind) => [...document.querySelectorAll(kind)].filter(one => {
  const box = one.getBoundingClientRect();
  const names = [one.textContent, one.getAttribute('aria-label'), one.getAttribute('placeholder')];
  return box.width > 0 && box.height > 0 && names.some(name => name && name.trim() === wanted);
})
"""


def find() -> str | None:
    """The browser's path, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One page, and everything it asked the network for."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write, self._left, self._number = read, write, b"", 0
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> Any:
        """Send a command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._number:
                assert "error" not in found, f"{method}: {found['error']}"
                return found["result"]
            self._events.append(found)

    def _next(self, seconds: float = SECONDS) -> Any:
        until = time.monotonic() + seconds
        while b"\0" not in self._left:
            ready = select.select([self._read], [], [], max(until - time.monotonic(), 0))[0]
            part = os.read(self._read, 1 << 16) if ready else b""
            if not part:
                raise TimeoutError("the browser says nothing" if not ready else "it is gone")
            self._left += part
        line, _, self._left = self._left.partition(b"\0")
        return json.loads(line)

    def size(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Pixels of the window, and what colours its reader prefers."""
        shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **shape)
        preferred = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[preferred])

    def open(self, page: Path | str) -> float:
        """Load a file or an address; returns the seconds until all of it was there."""
        self._events = []
        begin = time.monotonic()
        address = page.resolve().as_uri() if isinstance(page, Path) else page
        self.ask("Page.navigate", url=address)
        while not any(e.get("method") == "Page.loadEventFired" for e in self._events):
            self._events.append(self._next())
        return time.monotonic() - begin

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str) -> Any:
        """The value of an expression once it is true.

        Raises:
            AssertionError: it never was; the message holds what the page shows.
        """
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            if value := self.evaluate(expression):
                return value
            time.sleep(0.2)
        raise AssertionError(f"{expression}\nnever came true on:\n{self.text}")

    @property
    def text(self) -> str:
        """What the page shows."""
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def wait_for_text(self, text: str) -> None:
        """Wait until the page shows a text."""
        self.wait(f"document.body && document.body.innerText.includes({json.dumps(text)})")

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of what a selector finds first."""
        self.click_on(f"document.querySelector({json.dumps(selector)})")

    def click_called(self, name: str, kind: str = "*") -> None:
        """Click what is called so; of several the last, which is the innermost.

        Args:
            name: its text, its label or its placeholder.
            kind: a selector, such as `button`.
        """
        self.click_on(f"({_CALLED})({json.dumps(name)}, {json.dumps(kind)}).at(-1)")

    def click_on(self, element: str) -> None:
        """Click in the middle of the element that an expression gives, once it is there."""
        x, y = self.wait(
            "(e => { if (!e) return null; e.scrollIntoView({block: 'center'});"
            "const b = e.getBoundingClientRect();"
            f"return [b.left + b.width / 2, b.top + b.height / 2]; }})({element})"
        )
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            where = {"x": x, "y": y, "button": "left", "clickCount": 1}
            self.ask("Input.dispatchMouseEvent", type=kind, **where)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.ask("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """One key down and up, by name as in `KEYS`."""
        code, text = KEYS[key]
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        kind = "keyDown" if text else "rawKeyDown"
        self.ask("Input.dispatchKeyEvent", type=kind, text=text, **named)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **named)

    def choose(self, selector: str, value: str) -> None:
        """Take another entry of a list."""
        self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            f"e.value = {json.dumps(value)}; e.dispatchEvent(new Event('change')); }})()"
        )

    def events(self, method: str) -> list[dict[str, Any]]:
        """What the browser told of one kind since the page was opened."""
        self.evaluate("0")  # whatever was told before this is read
        return [e["params"] for e in self._events if e.get("method") == method]

    @property
    def requests(self) -> list[str]:
        """Addresses of everything that the page asked for."""
        return [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]

    @property
    def complaints(self) -> list[str]:
        """Errors of the page's script, and what its policy refused."""
        thrown = [str(e["exceptionDetails"]) for e in self.events("Runtime.exceptionThrown")]
        logged = (event["entry"] for event in self.events("Log.entryAdded"))
        return thrown + [e["text"] for e in logged if e["level"] == "error"]

    def picture(self, path: Path, selector: str | None = None) -> None:
        """Write a PNG: of what a selector finds first, or of the whole page."""
        box = self.evaluate(
            "(() => { const e = "
            + (f"document.querySelector({json.dumps(selector)})" if selector else "document.body")
            + "; const b = e.getBoundingClientRect(); return [b.left + scrollX, b.top + scrollY,"
            "b.width, b.height]; })()"
        )
        clip = dict(zip(("x", "y", "width", "height"), box, strict=True)) | {"scale": 1}
        made = self.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(made["data"]))


@contextmanager
def tab(browser: str, folder: Path) -> Iterator[Tab]:
    """A browser with one page; it ends with the block.

    Args:
        browser: its path.
        folder: for its profile and what it says.
    """
    to_browser, from_browser = os.pipe(), os.pipe()
    # Within the shell its files 3 and 4 are set: Python can pass files on, not rename them.
    command = 'exec "$0" "$@" 3<&"$IN" 4>&"$OUT"'
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--remote-debugging-pipe",
             "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nobody else is asked
             f"--user-data-dir={folder / 'profile'}"]  # fmt: skip
    names = {"IN": str(to_browser[0]), "OUT": str(from_browser[1])}
    with (folder / "browser.log").open("wb") as said:
        process = subprocess.Popen(
            ["bash", "-c", command, browser, *flags],
            env=os.environ | names,
            pass_fds=(to_browser[0], from_browser[1]),
            stdout=said,
            stderr=said,
        )
    os.close(to_browser[0])
    os.close(from_browser[1])
    try:
        made = Tab(from_browser[0], to_browser[1])
        yield made
        made._session = None
        made.ask("Browser.close")
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
        os.close(to_browser[1])
        os.close(from_browser[0])
