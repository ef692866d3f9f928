"""A fit that never reaches its end is noticed once, however it ended."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from keras_collapse.core.process import termination
from keras_collapse.core.process.termination import EarlyEnd, Ending

START = """
import os, signal
from keras_collapse.core.process.termination import EarlyEnd
class Owner: pass
owner = Owner()
EarlyEnd(owner, lambda ending: print("first", ending.status, ending.reason, flush=True))
EarlyEnd(owner, lambda ending: print("second", ending.status, ending.reason, flush=True))
"""


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("raise ValueError('mine')", 1, "FAILED ValueError: mine"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KILLED KeyboardInterrupt"),
        ("pass", 0, "FAILED fit did not end"),
        pytest.param(
            "os.kill(os.getpid(), signal.SIGTERM)",
            -signal.SIGTERM,
            "KILLED SIGTERM",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM to catch"),
        ),
    ],
)
def test_the_end_of_the_process_is_noticed_last_created_first(
    how: str, status: int, words: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START + how], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    assert done.stdout.splitlines() == [f"second {words}", f"first {words}"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
def test_a_forked_child_that_runs_its_exit_handlers_ends_nothing_of_its_parents() -> None:
    fork = "import sys\nif os.fork() == 0: sys.exit()\nos.wait()\nprint('parent', flush=True)"
    done = subprocess.run(
        [sys.executable, "-c", START + fork], capture_output=True, text=True, check=True
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["parent", "second", "first"]


class Owner:
    pass


def test_it_is_called_once_and_not_after_it_was_cancelled() -> None:
    seen: list[Ending] = []
    owner = Owner()
    early, cancelled = EarlyEnd(owner, seen.append), EarlyEnd(owner, seen.append)
    assert cancelled.cancel()
    assert not cancelled.cancel()
    early.end(Ending.of(None))
    early.end(Ending.of(None))
    del owner
    gc.collect()
    assert len(seen) == 1
    assert termination._waiting == []


def test_a_dropped_owner_is_an_early_end() -> None:
    seen: list[Ending] = []
    owner = Owner()
    EarlyEnd(owner, seen.append)
    del owner
    gc.collect()
    assert len(seen) == 1
    assert termination._waiting == []


def test_a_notebooks_cell_that_fails_is_an_early_end(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks: list[object] = []
    events = SimpleNamespace(
        callbacks={"post_run_cell": hooks}, register=lambda _, hook: hooks.append(hook)
    )
    shell = SimpleNamespace(events=events)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    seen: list[str] = []
    owner = Owner()
    EarlyEnd(owner, lambda ending: seen.append(f"first {ending.reason}"))
    EarlyEnd(owner, lambda ending: seen.append(f"second {ending.reason}"))
    assert len(hooks) == 1
    termination._after_cell(SimpleNamespace(error_in_exec=None))
    assert seen == []
    termination._after_cell(SimpleNamespace(error_in_exec=ValueError("mine")))
    assert seen == ["second ValueError: mine", "first ValueError: mine"]
