"""An outbox may come from anywhere: what it names is sent only if it lies in the run's folder."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from keras_collapse.core.errors import InputError
from keras_collapse.outputs.mlflow.outbox import FILES, FOLDER, ITEMS, REFUSED, STATE, Outbox
from keras_collapse.outputs.mlflow.runs import run_link
from keras_collapse.outputs.mlflow.sync import sync

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")


def new_outbox(store: MlflowClient, run_dir: Path) -> Outbox:
    run = store.create_run("0")
    state: dict[str, Any] = {"run_id": run.info.run_id, "own": True, "continues": False,
                             "tracking_uri": mlflow.get_tracking_uri(), "began": 0,
                             "wanted": {"resume": False, "run_name": None}}  # fmt: skip
    outbox = Outbox.new(run_dir, **state)
    outbox.release()
    return outbox


def picture(path: Path) -> Path:
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    return path


def test_files_outside_of_the_run_folder_are_neither_sent_nor_deleted(
    store: MlflowClient, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("mine")
    outside = picture(tmp_path / "outside.png")
    outbox = new_outbox(store, tmp_path / "run")
    run_dir = tmp_path / "run"
    (run_dir / "own.txt").write_text("the run's")
    (run_dir / "link.txt").symlink_to(secret)
    (run_dir / "there").symlink_to(tmp_path)
    outbox.path_for("x").touch()
    (run_dir / FOLDER / FILES / "link.png").symlink_to(outside)
    kept = picture(run_dir / "samples.png")
    files = [str(secret), "../secret.txt", "link.txt", "there/secret.txt", str(run_dir), "own.txt"]
    for name in files:
        outbox.put("file", path=name)
    pictures = [str(outside), "../../outside.png", "../samples.png", f"{FILES}/link.png"]
    for step, name in enumerate(pictures):
        outbox.put("image", file=name, step=step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        list(sync(run_dir))
    run_id = outbox.state["run_id"]
    sent = {file.path for file in store.list_artifacts(run_id)}
    assert sent & {"own.txt", "secret.txt", "link.txt", "images"} == {"own.txt"}
    assert secret.read_text() == "mine"
    assert outside.exists()
    assert kept.exists()
    reasons = [json.loads(line)["reason"] for line in (outbox.folder / REFUSED).open()]
    assert len(reasons) == 9
    assert all("not a file of the run" in reason for reason in reasons)


DEEP = "[" * 100_000
BROKEN = [
    "{}",
    "null",
    DEEP,
    '{"kind":"metrics"}',
    '{"kind":"metrics","values":{"a":1}}',
    '{"kind":"metrics","values":7,"step":0,"time":0}',
    '{"kind":"metrics","values":{"a":"x"},"step":0,"time":0}',
    '{"kind":"metrics","values":{"a":1},"step":1e999,"time":0}',
    '{"kind":"_init__"}',
    '{"kind":"end"}',
    '{"kind":"rename"}',
    '{"kind":"begin","x":"\\ud800"}',
    '{"kind":"tags","values":{"a":"\\ud800"}}',
    "\x00\x00\x00",
]


def test_a_broken_line_costs_that_line_only(store: MlflowClient, tmp_path: Path) -> None:
    outbox = new_outbox(store, tmp_path / "run")
    with (outbox.folder / ITEMS).open("a") as file:
        for step, line in enumerate(BROKEN):
            file.write(f"{line}\n")
            item = {"kind": "metrics", "values": {"d_loss": 1.0}, "step": step, "time": 1}
            file.write(json.dumps(item) + "\n")
        file.write('{"kind":"metrics","val')  # cut short by a kill
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        list(sync(tmp_path / "run"))
    run = store.get_run(outbox.state["run_id"])
    history = store.get_metric_history(run.info.run_id, "d_loss")
    assert [m.step for m in history] == list(range(len(BROKEN)))
    assert run.info.status == "KILLED"


@pytest.mark.parametrize(
    "state",
    ["", "{", "[]", "{}", '{"sent":"x","ended":false}', '{"sent":-5,"ended":0}', DEEP, "\x00"],
)
def test_one_broken_outbox_does_not_keep_the_others_from_being_sent(
    store: MlflowClient, tmp_path: Path, state: str
) -> None:
    new_outbox(store, tmp_path / "a")
    (tmp_path / "a" / FOLDER / STATE).write_text(state)
    good = new_outbox(store, tmp_path / "b")
    good.put("metrics", step=0, values={"d_loss": 1.0})
    with pytest.raises(InputError) as caught:
        list(sync(tmp_path))
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "a") in str(caught.value)
    assert len(store.get_metric_history(good.state["run_id"], "d_loss")) == 1


def test_a_password_in_the_servers_address_stays_private(tmp_path: Path) -> None:
    uri = "http://me:hunter2@127.0.0.1:9"  # nobody listens there
    outbox = Outbox.new(tmp_path / "run", own=True, tracking_uri=uri, began=0, run_id=None,
                        continues=False, wanted={"run_name": None, "resume": False})  # fmt: skip
    outbox.put("tags", values={"a": "b"})
    outbox.release()
    assert (outbox.folder / STATE).stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="MLflow does not answer") as caught:
        list(sync(tmp_path / "run"))
    assert "hunter2" not in str(caught.value)
    assert Outbox(outbox.folder).state["tracking_uri"] == uri
    assert "hunter2" not in str(run_link(uri, "0", "a1b2"))
