"""Sends an outbox to MLflow: in order, in batches, each item once."""

from __future__ import annotations

import re
import socket
import urllib.parse
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from keras_collapse.outputs.mlflow.outbox import Item, Outbox
from keras_collapse.outputs.mlflow.runs import FOUND, LONGEST_TAG, bare_name, find_or_make

BATCH_METRICS = 1000
"""Metrics that one ``log_batch`` takes at most."""
BATCH_ITEMS = 100
"""Items that are read at once; a reading has at most ten metrics."""
BATCH_PARAMS = 100
"""Parameters, or tags, that one ``log_batch`` takes at most."""
LONGEST_PARAM = 6000
"""Characters of a parameter that MLflow keeps."""
REFUSED = ("INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "BAD_REQUEST")
"""MLflow's answers to what it will never take: such an item is passed over, and kept."""
REACH_SECONDS = 3.0
"""Within which a server must take a connection."""


class Unreachable(Exception):
    """The server did not answer; what is to be sent waits."""


class Sender:
    """Sends what is in an outbox.

    Args:
        outbox: to send.
        again: an earlier sender may have sent some of it without hearing that it arrived.
    """

    def __init__(self, outbox: Outbox, again: bool = False) -> None:
        self.outbox = outbox
        self.refused = ""
        self._client: Any = None
        self._run_id = ""
        self._unsure = again
        self._known_steps: dict[str, int] = {}

    def send(self) -> None:
        """Send all that waits.

        Raises:
            Unreachable: the server does not answer.
        """
        while items := self.outbox.next(BATCH_ITEMS):
            try:
                self._connect()
                for batch in _batches(items):
                    self._deliver(batch)
                    self.outbox.arrived(batch[-1][1])
                    self._unsure = False
            except Exception as error:
                self._unsure = True
                raise Unreachable(
                    f"{type(error).__name__}: {' '.join(str(error).split())}"
                ) from error

    def _connect(self) -> None:
        target = self.outbox.target
        if self._client is not None:
            _reach(target["tracking_uri"])
            return
        import mlflow

        uri = target.get("tracking_uri") or _whole(mlflow.get_tracking_uri())
        self.outbox.note(tracking_uri=uri)
        _reach(uri)
        client = mlflow.MlflowClient(uri)
        if not target.get("run_id"):
            run, continues = find_or_make(client, target["wanted"], target["began"])
            target["run_id"] = run.info.run_id
            named = target["wanted"]["run_name"] is not None
            self.outbox.note(
                run_id=run.info.run_id,
                continues=continues,
                made_up_name=None if named else run.info.run_name,
            )
        self._client, self._run_id = client, target["run_id"]

    def _deliver(self, batch: Sequence[tuple[Item, int]]) -> None:
        from mlflow.exceptions import MlflowException

        items = [item for item, _ in batch]
        try:
            if items[0]["kind"] == "metrics":
                self._metrics(items)
            else:
                getattr(self, f"_{items[0]['kind']}")(items[0])
        except MlflowException as error:
            if error.error_code not in REFUSED:
                raise
            self._refuse(items, error)

    def _refuse(self, items: Sequence[Item], error: Exception) -> None:
        with (self.outbox.folder / "refused.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(f"{item}\n" for item in items)
        if not self.refused:
            self.refused = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            warnings.warn(
                f"MLflow refused a part of the log, which is kept in {self.outbox.folder}/"
                f"refused.jsonl; the rest goes on. Reason: {self.refused}",
                stacklevel=2,
            )

    # -- one method for each kind of item ----------------------------------------------------------

    def _metrics(self, items: Sequence[Item]) -> None:
        from mlflow.entities import Metric

        metrics = [
            Metric(name, float(value), item["time"], item["step"])
            for item in items
            for name, value in item["values"].items()
        ]
        if self.outbox.target.get("continues"):
            metrics = [m for m in metrics if m.step > self._last_step(m.key)]
        if self._unsure:
            there = {
                (m.key, m.step, m.timestamp)
                for key in {m.key for m in metrics}
                for m in self._client.get_metric_history(self._run_id, key)
            }
            metrics = [m for m in metrics if (m.key, m.step, m.timestamp) not in there]
        for start in range(0, len(metrics), BATCH_METRICS):
            self._client.log_batch(self._run_id, metrics=metrics[start : start + BATCH_METRICS])

    def _last_step(self, key: str) -> int:
        """The last step of a metric that was there before this training; -1 where there is none."""
        if key not in self._known_steps:
            began = self.outbox.target["began"]
            history = self._client.get_metric_history(self._run_id, key)
            before = [m.step for m in history if m.timestamp < began]
            self._known_steps[key] = max(before, default=-1)
        return self._known_steps[key]

    def _params(self, item: Item) -> None:
        from mlflow.entities import Param

        # A parameter cannot change: a second fit into the same run keeps the first one's.
        known = self._client.get_run(self._run_id).data.params
        params = [
            Param(key, str(value)[:LONGEST_PARAM])
            for key, value in item["values"].items()
            if key not in known
        ]
        for start in range(0, len(params), BATCH_PARAMS):
            self._client.log_batch(self._run_id, params=params[start : start + BATCH_PARAMS])

    def _tags(self, item: Item) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(key, str(value)[:LONGEST_TAG]) for key, value in item["values"].items()]
        self._client.log_batch(self._run_id, tags=tags)

    def _rename(self, item: Item) -> None:
        now = str(self._client.get_run(self._run_id).info.run_name)
        name, symbol = bare_name(now), f"{item['symbol']} "
        if now == self.outbox.target.get("made_up_name"):
            name = item["name"]
            self.outbox.note(made_up_name=symbol + name)
        elif item["symbol"] not in FOUND:
            symbol = ""
        if symbol + name != now:
            self._client.update_run(self._run_id, name=symbol + name)

    def _image(self, item: Item) -> None:
        import numpy as np
        from PIL import Image

        path = self.outbox.folder / item["file"]
        if not path.exists():  # it was sent, and the note of that was lost
            return
        there = self._client.list_artifacts(self._run_id, "images") if self._unsure else ()
        mark = re.compile(rf"{item['key']}\Wstep\W{item['step']}\W")
        if not any(mark.search(file.path) for file in there):
            self._client.log_image(
                self._run_id,
                np.asarray(Image.open(path)),
                key=item["key"],
                step=item["step"],
                timestamp=item["time"],
            )
        path.unlink()

    def _file(self, item: Item) -> None:
        if Path(item["path"]).exists():
            self._client.log_artifact(self._run_id, item["path"])

    def _text(self, item: Item) -> None:
        self._client.log_text(self._run_id, item["text"], item["name"])

    def _data(self, item: Item) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset(item["name"], item["digest"], "code", "fit", profile=item["shape"])
        context = InputTag("mlflow.data.context", "training")
        self._client.log_inputs(self._run_id, datasets=[DatasetInput(data, [context])])

    def _status(self, item: Item) -> None:
        if item["status"] == "RUNNING":
            self._client.update_run(self._run_id, status="RUNNING")
        else:
            self._client.set_terminated(self._run_id, item["status"], item["time"])


def _batches(items: Sequence[tuple[Item, int]]) -> Iterator[Sequence[tuple[Item, int]]]:
    """Metrics that follow each other together, anything else by itself."""
    batch: list[tuple[Item, int]] = []
    for item in items:
        if item[0]["kind"] == "metrics":
            batch.append(item)
            continue
        if batch:
            yield batch
        yield [item]
        batch = []
    if batch:
        yield batch


def _reach(uri: str) -> None:
    """See that a server takes connections: MLflow itself would try for minutes.

    Raises:
        OSError: it does not.
    """
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme in ("http", "https") and parts.hostname:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), timeout=REACH_SECONDS).close()


def _whole(uri: str) -> str:
    """A store's address that holds in every folder."""
    path = uri.removeprefix("sqlite:///")
    return f"sqlite:///{Path(path).resolve()}" if path != uri else uri
