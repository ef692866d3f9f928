"""Take screenshots of MLflow's UI and of reports with Debian's Chromium, through its DevTools."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp  # comes with mlflow

CLOSED = {
    "mlflow.assistant.panelOpen_v1": "false",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.detectIssues.guidanceShown_v1": "true",
    "mlflow.flagForReview.guidanceShown_v1": "true",
}
"""Local storage with which MLflow 3.17 opens without the Assistant and its tours."""
# The Assistant's round button and the charts' tool bars lie on what a picture is to show.
HIDE = "[data-assistant-ui], .modebar-container { display: none !important; }"


@dataclass(frozen=True)
class Shot:
    """A picture to take.

    Args:
        address: of the page.
        path: the PNG file to write.
        width, height: of the window, in pixels.
        seconds: time that the page gets to draw itself.
        script: JavaScript to run before the picture is taken.
    """

    address: str
    path: Path
    width: int
    height: int
    seconds: float = 20.0
    script: str = ""


def take(shot: Shot) -> None:
    """Take one picture.

    Raises:
        FileNotFoundError: Chromium is not installed.
        TimeoutError: Chromium does not start.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or "google-chrome"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank",
        ]  # fmt: skip
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            asyncio.run(_take(shot, Path(profile) / "DevToolsActivePort"))
        finally:
            process.terminate()
            process.wait()


async def _take(shot: Shot, port_file: Path) -> None:
    for _ in range(100):
        if port_file.exists() and len(port_file.read_text().splitlines()) == 2:
            break
        await asyncio.sleep(0.1)
    else:
        raise TimeoutError("Chromium did not start")
    port = port_file.read_text().splitlines()[0]
    async with aiohttp.ClientSession() as session:
        answer = await session.get(f"http://127.0.0.1:{port}/json")
        page = next(one for one in await answer.json() if one["type"] == "page")
        async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            await _draw(_Page(socket), shot)


async def _draw(page: _Page, shot: Shot) -> None:
    size = {"width": shot.width, "height": shot.height, "deviceScaleFactor": 1, "mobile": False}
    await page.call("Page.enable")
    await page.call("Emulation.setDeviceMetricsOverride", **size)
    stored = "".join(f"localStorage.setItem({k!r}, {v!r});" for k, v in CLOSED.items())
    first = f"try {{ {stored} }} catch (error) {{}}"
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=first)
    await page.call("Page.navigate", url=shot.address)
    await asyncio.sleep(shot.seconds)
    style = f"const s = document.createElement('style'); s.textContent = {HIDE!r};"
    script = f"{{ {style} document.head.append(s); {shot.script} }}"
    await page.call("Runtime.evaluate", expression=script)
    await asyncio.sleep(1 if not shot.script else 4)
    picture = await page.call("Page.captureScreenshot", format="png")
    shot.path.write_bytes(base64.b64decode(picture["data"]))


class _Page:
    """Sends commands to a page and waits for their answers."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            answer = json.loads((await self._socket.receive()).data)
            if answer.get("id") == self._number:
                return dict(answer["result"])
