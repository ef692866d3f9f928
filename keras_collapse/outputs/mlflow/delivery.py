"""Put one item of an outbox into its MLflow run; a method for each kind of item."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_collapse.outputs.mlflow.mlflow_internals import image_key
from keras_collapse.outputs.mlflow.outbox import FILES, Item, Outbox
from keras_collapse.outputs.mlflow.runs import FOUND, LONGEST_TAG, bare_name
from keras_collapse.outputs.mlflow.writer import claim, end_claim

KINDS = ("params", "tags", "note", "rename", "image", "file", "text", "data", "begin", "end",
         "broken")  # fmt: skip
"""Kinds of items besides metrics; `Delivery` has a method for each."""
BATCH_METRICS = 1000
"""Most metrics in one ``log_batch``."""
BATCH_PARAMS = 100
"""Most parameters, or tags, in one ``log_batch``."""
LONGEST_PARAM = 6000
"""Characters of a parameter that MLflow keeps."""


class BrokenItem(Exception):
    """An item cannot be sent because of something on this machine."""


class Delivery:
    """Delivers items to one run.

    Args:
        client: MLflow's, of the run's store.
        outbox: of the run; its state names the run.

    Attributes:
        unsure: whether the next item may have arrived already, so that it is compared with what
            the run has.
        superseded: whether another training writes the run: a step that it has is left out.
    """

    def __init__(self, client: Any, outbox: Outbox) -> None:
        self.client = client
        self.outbox = outbox
        self.unsure = False
        self.superseded = False
        self.run_id = str(outbox.state["run_id"])

    def deliver(self, items: Sequence[Item]) -> None:
        """Deliver several metrics items, or one item of any kind.

        Raises:
            BrokenItem: something on this machine is missing or broken.
            Exception: of MLflow or of the network.
        """
        if items[0]["kind"] == "metrics":
            self._metrics(items)
            return
        kind = items[0]["kind"]
        if kind not in KINDS:
            raise BrokenItem(f"{kind!r} is not an item of this version")
        getattr(self, f"_{kind}")(items[0])

    def _metrics(self, items: Sequence[Item]) -> None:
        from mlflow.entities import Metric

        metrics = [
            Metric(name, float(value), item["time"], item["step"])
            for item in items
            for name, value in item["values"].items()
        ]
        before = self.outbox.state.get("last_steps") or {}
        metrics = [m for m in metrics if m.step > before.get(m.key, -1)]
        if self.superseded:
            known = {
                (key, m.step)
                for key in {m.key for m in metrics}
                for m in self.client.get_metric_history(self.run_id, key)
            }
            metrics = [m for m in metrics if (m.key, m.step) not in known]
        elif self.unsure:
            there = {
                (m.key, m.step, m.timestamp)
                for key in {m.key for m in metrics}
                for m in self.client.get_metric_history(self.run_id, key)
            }
            metrics = [m for m in metrics if (m.key, m.step, m.timestamp) not in there]
        for start in range(0, len(metrics), BATCH_METRICS):
            self._log(metrics=metrics[start : start + BATCH_METRICS])

    def _params(self, item: Item) -> None:
        from mlflow.entities import Param

        # A parameter cannot change: a second fit in the same run keeps those of the first.
        known = self.client.get_run(self.run_id).data.params
        params = [
            Param(key, str(value)[:LONGEST_PARAM])
            for key, value in item["values"].items()
            if key not in known
        ]
        for start in range(0, len(params), BATCH_PARAMS):
            self._log(params=params[start : start + BATCH_PARAMS])

    def _tags(self, item: Item) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(key, str(value)[:LONGEST_TAG]) for key, value in item["values"].items()]
        self._log(tags=tags)

    def _log(self, **what: Sequence[Any]) -> None:
        """Log a batch now: MLflow's asynchronous logging would hide what the server refuses."""
        self.client.log_batch(self.run_id, **what, synchronous=True)

    def _note(self, item: Item) -> None:
        """Set the run's description: MLflow shows the first lines of it above everything else."""
        summary, break_, rest = item["text"].partition("\n\n")
        if item["pictures"]:
            names, titles = item["pictures"].keys(), item["pictures"].values()
            shown = [f"![](get-artifact?path={name}&run_uuid={self.run_id})" for name in names]
            rows = (titles, ["---"] * len(shown), shown)
            summary += "\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)
        self._tags({"values": {"mlflow.note.content": summary + break_ + rest}})

    def _rename(self, item: Item) -> None:
        current = str(self.client.get_run(self.run_id).info.run_name)
        name, symbol = bare_name(current), f"{item['symbol']} "
        if current == self.outbox.state.get("generated_name"):
            name = item["name"]
            self.outbox.note(generated_name=symbol + name)
        elif item["symbol"] not in FOUND:
            symbol = ""
        if symbol + name != current:
            self.client.update_run(self.run_id, name=symbol + name)

    def _image(self, item: Item) -> None:
        folder = self.outbox.folder / FILES
        name = str(item["file"]).removeprefix(f"{FILES}/")
        if self.unsure and not os.path.lexists(folder / name):  # it was sent and deleted
            return
        path = _own_file(folder, name)
        pixels = _pixels(path)
        there = self.client.list_artifacts(self.run_id, "images") if self.unsure else ()
        mark = re.compile(rf"samples\Wstep\W{int(item['step'])}\W")
        if not any(mark.search(file.path) for file in there):
            self.client.log_image(
                self.run_id, pixels, key=image_key(), step=item["step"], timestamp=item["time"]
            )
        with contextlib.suppress(OSError):
            path.unlink()

    def _file(self, item: Item) -> None:
        path = _own_file(self.outbox.run_dir, item["path"])
        try:
            path.open("rb").close()
        except OSError as error:
            raise BrokenItem(f"cannot read {item['path']}: {error.strerror}") from None
        self.client.log_artifact(self.run_id, str(path))

    def _text(self, item: Item) -> None:
        self.client.log_text(self.run_id, item["text"], item["name"])

    def _data(self, item: Item) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset(item["name"], item["digest"], "code", "fit", profile=item["shape"])
        context = InputTag("mlflow.data.context", "training")
        self.client.log_inputs(self.run_id, datasets=[DatasetInput(data, [context])])

    def _begin(self, _: Item) -> None:
        if self.outbox.state["ended"]:  # another fit in the same run
            claim(self.client, self.outbox.state)
        self.outbox.note(ended=False)
        if self.outbox.state["own"]:
            self.client.update_run(self.run_id, status="RUNNING")

    def _end(self, item: Item) -> None:
        if item["reason"]:
            self._tags({"values": {"collapse.ended": item["reason"]}})
        if self.outbox.state["own"] or item["abandoned"]:
            self.client.set_terminated(self.run_id, item["status"], item["time"])
        end_claim(self.client, self.client.get_run(self.run_id), self.outbox.state)
        self.outbox.note(ended=True)

    def _broken(self, _: Item) -> None:
        raise BrokenItem("the line is not valid JSON, as a full disk leaves it")


def _own_file(folder: Path, name: str) -> Path:
    """Return a regular file inside of a folder, reached by no link.

    An outbox may come from anywhere: what it names must not make us send, or delete, other files.

    Raises:
        BrokenItem: it is elsewhere, no regular file, or missing.
    """
    root = folder.resolve()
    path = root / name
    if path.resolve() != path or not path.is_relative_to(root) or not path.is_file():
        raise BrokenItem(f"{name!r} is not a file of the run in {str(folder)!r}")
    return path


def _pixels(path: Path) -> Any:
    """Return a picture as an array. Raises BrokenItem if it is missing or corrupt."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.asarray(picture)
    except Exception as error:  # Pillow raises many kinds
        raise BrokenItem(f"cannot read the picture {path}: {error}") from None
