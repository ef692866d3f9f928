"""A training that was killed and started again: its run has one writer, whatever is sent later."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from keras_collapse.core.findings import Status, Verdict
from keras_collapse.core.process.heartbeat import STALE_SECONDS
from keras_collapse.outputs.mlflow import sender as sender_module
from keras_collapse.outputs.mlflow.end_of_run import put_end, put_verdict
from keras_collapse.outputs.mlflow.outbox import BEGIN, FOLDER, STATE, Outbox, OutboxError
from keras_collapse.outputs.mlflow.sender import Sender
from keras_collapse.outputs.mlflow.sync import sync
from keras_collapse.outputs.mlflow.writer import writer_of

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")


def wanted(token: str, resume: bool = True) -> dict[str, Any]:
    return {"run_name": "mine", "experiment": None, "parent_run_id": None, "resume": resume,
            "token": token}  # fmt: skip


def outbox_of(folder: Path, token: str, **state: Any) -> Outbox:
    """The outbox of a training called "mine" that continues its run where there is one."""
    known: dict[str, Any] = {"run_id": None, "continues": False, "own": True,
                             "began": int(time.time() * 1000), "wanted": wanted(token),
                             "tracking_uri": mlflow.get_tracking_uri()}  # fmt: skip
    return Outbox.new(folder, **{**known, **state})


def train(outbox: Outbox, first: int, last: int) -> None:
    outbox.put(BEGIN)
    for step in range(first, last + 1):
        outbox.put("metrics", step=step, values={"readings/d_loss": float(step)})


def finish(outbox: Outbox, run_dir: Path) -> None:
    put_verdict(outbox, run_dir, Verdict(Status.HEALTHY, reason="good", steps=20))
    put_end(outbox, run_dir, "FINISHED")
    Sender(outbox).send()
    outbox.release()


def steps(store: MlflowClient, run_id: str) -> list[int]:
    return sorted(m.step for m in store.get_metric_history(run_id, "readings/d_loss"))


KILLED = """
import os, sys
sys.path.insert(0, {here!r})
from pathlib import Path
from test_resumed_runs import *
outbox = outbox_of(Path("first"), "first")
train(outbox, 0, 5)
Sender(outbox).send()
train(outbox, 6, 9)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("begins_at", "set_back"), [(4, 0), (8, 0), (8, 3600)])
def test_sync_after_a_resume_leaves_the_finished_run_alone(
    store: MlflowClient, begins_at: int, set_back: int
) -> None:
    """Steps 6 to 9 wait in the killed training's outbox when the resumed one trains again."""
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", KILLED.format(here=here)], check=False,
        env=os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    began = int((time.time() - set_back) * 1000)  # by a clock that was set back meanwhile
    second = outbox_of(Path("second"), "second", began=began)
    train(second, begins_at, 19)
    finish(second, Path("second"))
    (run,) = store.search_runs(["0"])
    for _ in range(2):
        list(sync(Path()))
        after = store.get_run(run.info.run_id)
        assert after.info.status == "FINISHED"
        assert after.data.tags["collapse.verdict"] == "healthy"
        assert "collapse.ended" not in after.data.tags
        assert steps(store, run.info.run_id) == list(range(20))
    assert len(store.search_runs(["0"])) == 1


def test_sync_waits_for_a_resumed_training_that_still_runs(store: MlflowClient) -> None:
    first = outbox_of(Path("first"), "first")
    train(first, 0, 5)
    Sender(first).send()
    train(first, 6, 9)
    first.note(sender=None)  # as if killed
    second = outbox_of(Path("second"), "second", began=int(time.time() * 1000) + 1)
    train(second, 6, 12)
    Sender(second).send()
    lines = list(sync(Path()))
    assert any("continued" in line and "still runs" in line for line in lines)
    (run,) = store.search_runs(["0"])
    assert run.info.status == "RUNNING"
    assert steps(store, run.info.run_id) == list(range(13))
    assert first.waiting() == 5


def test_a_training_whose_run_was_taken_over_stops_writing(store: MlflowClient) -> None:
    first, second = outbox_of(Path("first"), "first"), outbox_of(Path("second"), "second")
    train(first, 0, 5)
    sender = Sender(first)
    sender.send()
    (run,) = store.search_runs(["0"])
    second.note(run_id=run.info.run_id, continues=True)
    train(second, 4, 9)
    Sender(second).send()
    train(first, 6, 9)
    sender.check_writer()
    with pytest.raises(OutboxError, match="another training"):
        sender.send()
    sender.end("FAILED", {"collapse.ended": "the log is incomplete"})
    assert store.get_run(run.info.run_id).info.status == "RUNNING"
    assert steps(store, run.info.run_id) == list(range(10))


ALIVE = """
import sys, time
sys.path.insert(0, {here!r})
from pathlib import Path
from test_resumed_runs import *
outbox = outbox_of(Path("first"), "first")
train(outbox, 0, 5)
Sender(outbox).send()
print("sent", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("given", ["name", "id"])
def test_a_run_that_a_living_training_writes_is_not_continued(
    store: MlflowClient, given: str
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", ALIVE.format(here=str(Path(__file__).parent))],
        env=os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "sent\n"
        (run,) = store.search_runs(["0"])
        second = outbox_of(Path("second"), "second")
        if given == "id":
            second.note(run_id=run.info.run_id, continues=True)
        train(second, 0, 3)
        with pytest.warns(UserWarning, match="run of its own"):
            Sender(second).send()
    finally:
        other.kill()
        other.wait()
    assert second.state["run_id"] != run.info.run_id
    assert steps(store, run.info.run_id) == list(range(6))
    assert steps(store, second.state["run_id"]) == list(range(4))


def begin(name: str, uri: str, started: Any, found: Any) -> None:
    """A training that looks for its run, slowly, while another one does."""
    mlflow.set_tracking_uri(uri)
    look = sender_module.find_or_make

    def look_slowly(*arguments: Any) -> Any:
        answer = look(*arguments)
        time.sleep(0.5)
        return answer

    sender_module.find_or_make = look_slowly
    outbox = outbox_of(Path(name), name)
    started.wait(300)
    Sender(outbox).connect()
    found.put((name, outbox.state["run_id"]))
    started.wait(300)  # both live until both have looked


def test_of_two_trainings_that_start_at_once_one_continues_the_run(store: MlflowClient) -> None:
    before = store.create_run("0", run_name="mine").info.run_id
    store.set_terminated(before, "KILLED")
    context = multiprocessing.get_context("fork")
    started, found = context.Barrier(2), context.Queue()
    uri = mlflow.get_tracking_uri()
    both = [context.Process(target=begin, args=(n, uri, started, found)) for n in ("one", "two")]
    for process in both:
        process.start()
    runs = dict(found.get(timeout=300) for _ in both)
    for process in both:
        process.join(300)
    assert len(set(runs.values())) == 2
    (continues,) = [name for name, run_id in runs.items() if run_id == before]
    assert writer_of(store.get_run(before))["token"] == continues


def test_a_second_training_in_one_run_folder_has_an_outbox_of_its_own(
    store: MlflowClient,
) -> None:
    first = outbox_of(Path("run"), "first")
    train(first, 0, 5)
    Sender(first).send()
    first.release()
    second = outbox_of(Path("run"), "second")
    assert second.folder.name == f"{FOLDER}-2"
    train(second, 6, 9)
    second.note(sender=None)
    list(sync(Path()))
    assert second.waiting() == 0
    assert len(store.search_runs(["0"])) == 1


def test_a_training_killed_on_another_machine_is_sent_once_it_gives_no_sign_of_life(
    store: MlflowClient, tmp_path: Path
) -> None:
    outbox = outbox_of(tmp_path / "run", "first")
    train(outbox, 0, 5)
    elsewhere = {"pid": 1, "started": 5.0, "host": "elsewhere", "boot": "another"}
    outbox.note(sender=elsewhere, training=elsewhere)
    (line,) = sync(tmp_path)
    assert "a process on 'elsewhere' sends it" in line
    assert outbox.waiting() == 7
    old = time.time() - STALE_SECONDS - 1
    os.utime(outbox.folder / STATE, (old, old))
    (line,) = sync(tmp_path)
    assert "items sent to run" in line
    (run,) = store.search_runs(["0"])
    assert run.info.status == "KILLED"


def test_force_sends_what_another_machine_may_be_sending_but_not_what_lives_here(
    store: MlflowClient, tmp_path: Path
) -> None:
    outbox = outbox_of(tmp_path / "run", "first")
    train(outbox, 0, 5)
    (line,) = sync(tmp_path, force=True)
    assert "its training is running" in line
    outbox.note(sender={**outbox.state["sender"], "host": "elsewhere"})
    (line,) = sync(tmp_path, force=True)
    assert "items sent to run" in line
    assert store.search_runs(["0"])[0].info.status == "KILLED"
