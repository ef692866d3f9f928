"""MLflowLogger with a real tracking server that is killed, slow, or gone; no test per backend."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import mlflow
import pytest
from paths import TESTS
from tiny import once, once_in_a_process, ring, tiny_gan
from waiting import wait_until

import keras_collapse as kc
from keras_collapse.outputs.mlflow import sender_thread
from keras_collapse.outputs.mlflow.sync import sync

pytestmark = [
    once_in_a_process,
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"),
]


class Server:
    """``mlflow server`` on a store of its own, as often as it is started."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._command = [
            sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1",
            "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--port", str(self.port),
            "--artifacts-destination", str(folder / "artifacts"),
        ]  # fmt: skip
        self._process: Any = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            # jobs, such as evaluating traces, would take five more processes
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        for _ in range(3000):
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError("the server did not start")

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(store: Any, tmp_path: Path) -> Iterator[Server]:  # noqa: ARG001  # its database
    found = Server(tmp_path)
    found.start()
    found.wait()
    yield found
    found.kill()


class At(keras.callbacks.Callback):  # type: ignore[misc]
    """Does something at the end of epochs."""

    def __init__(self, **actions: Any) -> None:
        super().__init__()
        self.actions = {int(name.removeprefix("epoch_")): act for name, act in actions.items()}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch in self.actions:
            self.actions[epoch]()


@once
def test_a_server_that_is_killed_and_comes_back_gets_everything_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_thread, "ROUND_SECONDS", 0.1)
    monkeypatch.setattr(sender_thread, "AGAIN_SECONDS", (0.1, 0.5))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    gan, logger = tiny_gan(), kc.MLflowLogger(tracking_uri=server.uri)
    monitor = kc.CollapseMonitor(verbose=0)

    def until_something_arrived() -> None:
        for _ in range(1200):
            if logger._outbox is not None and logger._outbox.state["sent"] > 5000:
                return
            time.sleep(0.1)
        raise TimeoutError("nothing arrived")

    acts = At(epoch_5=until_something_arrived, epoch_6=server.kill, epoch_40=server.start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gan.fit(ring(128), batch_size=32, epochs=60, verbose=0,
                callbacks=[monitor, logger, acts])  # fmt: skip
    server.wait()
    assert monitor.run_dir is not None
    assert logger._thread is not None
    logger._thread.join(300)  # where fit did not wait for it, it goes on
    assert not logger._thread.is_alive()
    client = mlflow.MlflowClient(server.uri)
    (run,) = client.search_runs(["0"])
    assert run.info.run_id == logger.run_id
    assert run.info.status == "FINISHED"
    for name in ("readings/d_loss", "readings/g_acc"):
        history = client.get_metric_history(run.info.run_id, name)
        assert [m.step for m in history] == list(range(240))
    checks = [m.step for m in client.get_metric_history(run.info.run_id, "samples/coverage")]
    assert checks == sorted(set(checks))
    assert "journal.jsonl" in {f.path for f in client.list_artifacts(run.info.run_id)}
    assert sum(p.stat().st_size for p in (monitor.run_dir / "mlflow").glob("items*")) == 0


STOPPED = """
import http.server, os, signal
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@contextlib.contextmanager
def silent_server(stopped: bool) -> Iterator[str]:
    """A server that accepts connections and never answers; stopped, or busy for ever."""
    if stopped:
        with subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
            process.kill()
        return
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


@once
@pytest.mark.parametrize("stopped", [False, True])
def test_a_server_that_never_answers_does_not_hold_up_the_training(
    capsys: pytest.CaptureFixture[str], stopped: bool
) -> None:
    with silent_server(stopped) as address:
        gan, logger = tiny_gan(), kc.MLflowLogger(tracking_uri=address)
        monitor = kc.CollapseMonitor(verbose=0)
        gan.fit(ring(64), batch_size=32, epochs=1, verbose=0)  # compiled before it is timed
        generator = random.getstate()
        began = time.monotonic()
        gan.fit(ring(64), batch_size=32, epochs=20, verbose=0, callbacks=[monitor, logger])
        assert time.monotonic() - began < 60  # MLflow's own client tries for minutes
        began = time.monotonic()
        assert logger._thread is not None
        assert not logger._thread.finish()
        assert time.monotonic() - began < 15  # of which 2 are waited
    assert random.getstate() == generator
    assert logger.run_id is None
    assert monitor.verdict.steps == 40
    said = capsys.readouterr().out
    assert "items wait for MLflow" in said
    assert f"keras-collapse sync {monitor.run_dir}" in said


def send_rest(folder: Path) -> list[str]:
    """Send what waits, once the process that outlives a training has done what it can."""
    lines: list[str] = []

    def none_is_running() -> bool:
        lines[:] = sync(folder)
        return not any("is running" in line for line in lines)

    wait_until(none_is_running)
    return lines


KILLED = """
import os, signal, sys
sys.path.insert(0, {here!r})
import keras
from tiny import ring, tiny_gan
import keras_collapse as kc

class End(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 4:
            os.kill(os.getpid(), signal.SIGKILL)

gan = tiny_gan()
gan.fit(ring(64), batch_size=32, epochs=9, verbose=0,
        callbacks=[kc.CollapseMonitor(run_dir="run", verbose=0), kc.MLflowLogger(), End()])
"""


def test_after_kill_9_sync_sends_the_rest_and_says_that_it_was_killed(store: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED.format(here=str(TESTS))], check=False,
        env=os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    (line,) = send_rest(Path("run"))
    assert "items sent to run" in line
    (run,) = store.search_runs(["0"])
    assert run.info.status == "KILLED"
    assert run.data.tags["collapse.ended"] == "its process was killed"
    steps = [m.step for m in store.get_metric_history(run.info.run_id, "readings/d_loss")]
    assert steps == list(range(10))
    assert run.data.tags["collapse.verdict"] == kc.diagnose("run").status


TERMINATED = """
import os, signal, sys
sys.path.insert(0, {here!r})
import keras, mlflow
from tiny import ring, tiny_gan
import keras_collapse as kc

class End(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 4:
            os.kill(os.getpid(), signal.SIGTERM)

{active}
gan = tiny_gan()
gan.fit(ring(64), batch_size=32, epochs=9, verbose=0,
        callbacks=[kc.CollapseMonitor(run_dir="run", verbose=0), kc.MLflowLogger(), End()])
"""


@pytest.mark.parametrize("active", ["", "mlflow.start_run()"])
def test_after_sigterm_the_run_is_killed_and_has_a_verdict(store: Any, active: str) -> None:
    program = TERMINATED.format(here=str(TESTS), active=active)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env=os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()},
    )  # fmt: skip
    assert done.returncode == -signal.SIGTERM, done.stderr
    send_rest(Path("run"))
    (run,) = store.search_runs(["0"])
    assert run.info.status == "KILLED"
    assert run.data.tags["collapse.ended"] == "SIGTERM"
    assert run.data.tags["collapse.verdict"] == "unknown"
    assert active or str(run.info.run_name).startswith("? unknown")
    steps = [m.step for m in store.get_metric_history(run.info.run_id, "readings/d_loss")]
    assert steps == list(range(len(steps)))
    assert "journal.jsonl" in {f.path for f in store.list_artifacts(run.info.run_id)}
    (line,) = sync(Path("run"))  # nothing is left, and it stays KILLED
    assert ": 0 items" in line
    assert store.get_run(run.info.run_id).info.status == "KILLED"


ENDED = """
import os, signal, sys, warnings
sys.path.insert(0, {here!r})
warnings.simplefilter("ignore")
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job
import keras
from tiny import ring, tiny_gan
import keras_collapse as kc

class End(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            {how}

gan = tiny_gan()
gan.fit(ring(64), batch_size=32, epochs=9, verbose=0,
        callbacks=[kc.CollapseMonitor(verbose=0), kc.MLflowLogger(), End()])
"""


@pytest.mark.parametrize(
    ("how", "status", "said"),
    [
        pytest.param(
            *("raise ValueError('mine')", "FAILED", "ValueError: mine"),
            marks=pytest.mark.slow(),  # the suite has it in a notebook's kernel
        ),
        ("signal.raise_signal(signal.SIGINT)", "KILLED", "KeyboardInterrupt"),
    ],
)
def test_a_run_that_did_not_end_well_is_never_finished(
    store: Any, how: str, status: str, said: str
) -> None:
    program = ENDED.format(here=str(TESTS), how=how)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env=os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()},
    )  # fmt: skip
    assert done.returncode not in (0, -signal.SIGKILL)
    send_rest(Path("collapse_runs"))
    (run,) = store.search_runs(["0"])
    assert run.info.status == status, done.stderr
    assert said in run.data.tags["collapse.ended"]
    assert str(run.info.run_name).startswith("? unknown")
    assert run.data.tags["collapse.verdict"] == "unknown"
