"""What cannot be sent never stops what can: refused items, broken files, a deleted run folder."""

from __future__ import annotations

import json
import os
import threading
import warnings
from pathlib import Path
from typing import Any

import keras
import mlflow
import numpy as np
import pytest
from paths import remove
from PIL import Image
from tiny import once, ring, tiny_gan

import keras_collapse as kc
from keras_collapse.outputs.mlflow import sender_thread
from keras_collapse.outputs.mlflow.outbox import FILES, FOLDER, ITEMS, REFUSED, Outbox
from keras_collapse.outputs.mlflow.sender import Sender, Unreachable

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")


def new_outbox(store: mlflow.MlflowClient, folder: Path) -> Outbox:
    run = store.create_run("0")
    uri = mlflow.get_tracking_uri()
    wanted = {"run_name": None, "resume": False, "token": "mine"}
    return Outbox(folder, run_id=run.info.run_id, own=True, tracking_uri=uri, continues=False,
                  began=0, wanted=wanted)  # fmt: skip


def set_aside(outbox: Outbox) -> list[dict[str, Any]]:
    lines = (outbox.folder / REFUSED).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("asynchronous", ["false", "true"])
def test_a_refused_item_is_kept_as_json_and_the_others_are_sent(
    store: mlflow.MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asynchronous: str
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_LOGGING", asynchronous)  # which hides refusals
    outbox = new_outbox(store, tmp_path / "box")
    for step in range(3):
        name = "not|allowed" if step == 1 else "d_loss"
        outbox.put("metrics", step=step, values={name: float(step)})
    with pytest.warns(UserWarning, match="MLflow refused a part of the log") as caught:
        Sender(outbox).send()
    assert len(caught) == 1
    history = store.get_metric_history(outbox.state["run_id"], "d_loss")
    assert [m.step for m in history] == [0, 2]
    (kept,) = set_aside(outbox)
    assert kept["item"]["values"] == {"not|allowed": 1.0}
    assert "not|allowed" in kept["reason"]
    assert outbox.waiting() == 0


def test_broken_files_and_lines_are_set_aside_and_the_rest_is_sent(
    store: mlflow.MlflowClient, tmp_path: Path
) -> None:
    outbox = new_outbox(store, tmp_path / "box")
    outbox.path_for("corrupt.png").write_bytes(b"no picture")
    outbox.put("image", file=f"{FILES}/corrupt.png", step=0)
    outbox.put("image", file=f"{FILES}/missing.png", step=1)
    outbox.put("file", path=str(tmp_path / "missing.txt"))
    with (outbox.folder / ITEMS).open("a") as file:
        file.write('{"kind": "metr\n')
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(outbox.path_for("good.png"))
    outbox.put("image", file=f"{FILES}/good.png", step=2)
    with pytest.warns(UserWarning, match="cannot send a part of the log") as caught:
        Sender(outbox).send()
    assert len(caught) == 1
    reasons = [kept["reason"] for kept in set_aside(outbox)]
    assert ["corrupt.png" in reasons[0], "missing.png" in reasons[1]] == [True, True]
    assert ["missing.txt" in reasons[2], "not valid JSON" in reasons[3]] == [True, True]
    images = store.list_artifacts(outbox.state["run_id"], "images")
    assert any("step+2" in image.path.replace("%", "+") for image in images)
    assert outbox.waiting() == 0


def test_a_store_that_cannot_be_used_is_waited_for(
    store: mlflow.MlflowClient, tmp_path: Path
) -> None:
    outbox = new_outbox(store, tmp_path / "box")
    outbox.note(tracking_uri=f"sqlite:///{tmp_path}/missing/mlflow.db", run_id=None)
    outbox.put("metrics", step=0, values={"d_loss": 1.0})
    (tmp_path / "missing").write_text("a file where the store's folder should be")
    for _ in range(2):
        with pytest.raises(Unreachable):
            Sender(outbox).send()
    assert outbox.waiting() == 1
    assert not (outbox.folder / REFUSED).exists()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@once
def test_a_run_folder_deleted_while_training_is_reported_once_and_ends_the_run(
    store: mlflow.MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_thread, "ROUND_SECONDS", 0.05)

    class Delete(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                assert monitor.run_dir is not None
                while logger.run_id is None:
                    threading.Event().wait(0.05)
                remove(Path(monitor.run_dir))

    gan, logger = tiny_gan(), kc.MLflowLogger()
    monitor = kc.CollapseMonitor(verbose=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = gan.fit(ring(64), batch_size=32, epochs=60, verbose=0,
                          callbacks=[monitor, logger, Delete()])  # fmt: skip
        assert logger._thread is not None
        logger._thread.join(120)
    assert len(history.epoch) == 60
    about_mlflow = [str(w.message) for w in caught if "MLflow" in str(w.message)]
    assert len(about_mlflow) == 1, about_mlflow
    assert "not logged to MLflow; the training goes on" in about_mlflow[0]
    assert "\n" not in about_mlflow[0]
    assert logger.run_id is not None
    run = store.get_run(logger.run_id)
    assert run.info.status == "FINISHED"
    assert "the log is incomplete" in run.data.tags["collapse.ended"]


def test_a_put_inside_an_interrupted_put_does_not_wait_for_itself(tmp_path: Path) -> None:
    """A SIGTERM handler runs on the thread whose put it interrupts."""
    outbox = Outbox(tmp_path / FOLDER, own=True)
    done = []

    def put_twice() -> None:
        with outbox._lock:
            outbox.put("end")
        done.append(True)

    thread = threading.Thread(target=put_twice, daemon=True)
    thread.start()
    thread.join(60)
    assert done
    assert outbox.waiting() == 1
    assert os.path.getsize(outbox.folder / ITEMS) > 0
