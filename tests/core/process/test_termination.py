"""SIGTERM while something is registered: callbacks run, and the process still dies of SIGTERM."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")

START = """
import os, signal, sys, threading, time
from keras_collapse.core.process import termination
from keras_collapse.core.process.termination import register

def say(*words):
    print(*words, flush=True)

def terminate():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
"""


def run(program: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", START + program], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.splitlines() + done.stderr.splitlines()


def test_the_last_callback_runs_first_and_the_process_dies_of_the_signal() -> None:
    status, said = run("""
register(lambda: say("first"))
unregister = register(lambda: say("gone"))
unregister(), unregister()
register(lambda: say("second"))
terminate()
say("alive")
""")
    assert (status, said) == (-signal.SIGTERM, ["second", "first"])


def test_an_error_in_a_callback_is_reported_and_the_next_one_runs() -> None:
    status, said = run("""
register(lambda: say("next"))
register(lambda: 1 / 0)
terminate()
""")
    assert status == -signal.SIGTERM
    assert "next" in said
    assert any("ZeroDivisionError" in line for line in said)
    assert not any("Traceback" in line for line in said)


def test_the_default_is_back_when_the_last_callback_is_gone() -> None:
    status, said = run("""
gone = [register(lambda: say("x")), register(lambda: say("y"))]
say(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
gone[0]()
say(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
gone[1]()
say(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
""")
    assert (status, said) == (0, ["False", "False", "True"])


def test_a_handler_of_the_users_is_never_replaced() -> None:
    status, said = run("""
signal.signal(signal.SIGTERM, lambda *_: say("mine"))
unregister = register(lambda: say("ours"))
terminate()
unregister()
terminate()
""")
    assert (status, said) == (0, ["mine", "mine"])


def test_another_thread_installs_nothing() -> None:
    status, said = run("""
thread = threading.Thread(target=register, args=(lambda: say("ours"),))
thread.start(), thread.join()
say(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
""")
    assert (status, said) == (0, ["True"])


def test_a_forked_child_does_not_end_its_parents_run() -> None:
    status, said = run("""
register(lambda: say("ended by", os.getpid() == parent))
parent = os.getpid()
child = os.fork()
if child == 0:
    time.sleep(60)
time.sleep(0.2)
os.kill(child, signal.SIGTERM)
say("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
terminate()
""")
    assert (status, said) == (-signal.SIGTERM, ["child -15", "ended by True"])


def test_a_callback_that_hangs_is_cut_off() -> None:
    began = time.monotonic()
    status, said = run("""
termination.FLUSH_SECONDS = 1.0
register(lambda: say("never"))
register(lambda: time.sleep(60))
terminate()
""")
    assert (status, said) == (-signal.SIGTERM, [])
    assert time.monotonic() - began < 30
