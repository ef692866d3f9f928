"""The panel in a real terminal: tmux, at several sizes, resized, interrupted, killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paths import TESTS

pytestmark = [
    pytest.mark.backend("jax"),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

PROGRAM = """
import os, sys, time
sys.path.insert(0, {here!r})
import keras
from tiny import ring, tiny_gan
import keras_collapse as kc

class Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.01)

gan = tiny_gan()
gan.fit(ring(128), batch_size=32, epochs={epochs}, callbacks=[
    kc.CollapseMonitor(run_dir={run!r}), kc.LiveMonitor(), Slow()])
"""


class Terminal:
    """A tmux server of its own with one pane for each name."""

    def __init__(self, folder: Path) -> None:
        self._tmux = ["tmux", "-L", folder.name, "-f", "/dev/null"]
        self.folder = folder

    def run(self, *arguments: str) -> str:
        # Sizes that another test has left in the environment would override the pane's own.
        own = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        done = subprocess.run(
            [*self._tmux, *arguments], capture_output=True, text=True, check=True,
            env=own | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PS1": "$ "},
        )  # fmt: skip
        return done.stdout

    def open(self, name: str, width: int, height: int, command: str) -> None:
        self.run("new-session", "-d", "-s", name, "-x", str(width), "-y", str(height),
                 "-c", str(self.folder), "bash", "--norc")  # fmt: skip
        self.type(name, command, "Enter")

    def type(self, name: str, *keys: str) -> None:
        self.run("send-keys", "-t", name, *keys)

    def pane(self, name: str) -> list[str]:
        return self.run("capture-pane", "-t", name, "-p").splitlines()

    def until(
        self, name: str, right: Callable[[list[str]], bool], seconds: float = 90
    ) -> list[str]:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if right(lines := self.pane(name)):
                return lines
            time.sleep(0.2)
        raise AssertionError(f"never seen in {name}:\n" + "\n".join(self.pane(name)))


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    found = Terminal(tmp_path)
    yield found
    subprocess.run([*found._tmux, "kill-server"], check=False, capture_output=True)


def program(folder: Path, epochs: int) -> str:
    text = PROGRAM.format(here=str(TESTS), epochs=epochs, run=str(folder / "run"))
    (folder / "train.py").write_text(text)
    return f"{sys.executable} train.py"


def shows(*words: str) -> Callable[[list[str]], bool]:
    return lambda lines: all(any(word in line for line in lines) for word in words)


def step_of(lines: list[str]) -> int:
    (line,) = [line for line in lines if "step " in line and "steps/s" in line]
    return int(line.partition("step ")[2].split("/")[0])


def is_whole(lines: list[str], width: int) -> bool:
    """Whether one panel is seen, and no shreds of another."""
    rows = [line for line in lines if line.strip()]
    edges = [line for line in rows if line[:1] in "╭╰"]
    inside = [line for line in rows if line.startswith("│")]
    return len(edges) == 2 and all(len(line) == width for line in [*edges, *inside])


def test_live_resized_watched_and_killed(terminal: Terminal, tmp_path: Path) -> None:
    terminal.open("train", 80, 30, program(tmp_path, 100_000))
    lines = terminal.until("train", shows("D accuracy", "steps/s"))
    assert is_whole(lines, 80)
    assert not shows("Epoch 1/")(lines)

    terminal.run("resize-window", "-t", "train", "-x", "60", "-y", "16")
    terminal.until("train", lambda lines: is_whole(lines, 60))

    watch = f"{sys.executable} -m keras_collapse.cli watch run"
    terminal.open("watch", 100, 40, watch)
    seen = terminal.until("watch", shows("D accuracy", "steps/s"))
    assert is_whole(seen, 100)
    began = time.monotonic()
    before = step_of(seen)
    terminal.until("watch", lambda lines: is_whole(lines, 100) and step_of(lines) > before + 20)
    assert time.monotonic() - began < 60  # 20 steps take two seconds

    asked = ["pgrep", "-f", "train.py$", "-P", pane_pid(terminal, "train")]
    os.kill(int(subprocess.check_output(asked, text=True)), 9)
    terminal.until("watch", shows("its process is gone"), 30)
    # Both terminals are whole: what is typed is seen, and runs.
    for name in ("train", "watch"):
        terminal.type(name, "clear; echo al''ive", "Enter")
        terminal.until(name, lambda lines: "alive" in lines, 30)
        assert terminal.run("display", "-p", "-t", name, "#{cursor_flag}").strip() == "1"


def pane_pid(terminal: Terminal, name: str) -> str:
    return terminal.run("display", "-p", "-t", name, "#{pane_pid}").strip()


def test_ctrl_c_leaves_the_terminal_whole(terminal: Terminal, tmp_path: Path) -> None:
    terminal.open("train", 80, 30, program(tmp_path, 100_000))
    terminal.until("train", shows("D accuracy", "steps/s"))
    terminal.type("train", "C-c")
    terminal.until("train", shows("KeyboardInterrupt"), 30)
    terminal.type("train", "clear; echo al''ive", "Enter")
    terminal.until("train", lambda lines: "alive" in lines, 30)
    assert terminal.run("display", "-p", "-t", "train", "#{cursor_flag}").strip() == "1"
