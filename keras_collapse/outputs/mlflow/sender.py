"""Send an outbox to MLflow: in order, in batches, each item once.

Three kinds of errors are distinguished:

- `Unreachable`: the server does not answer. The items wait; the caller tries again later.
- An item cannot be sent: the server refuses it, or what it needs is broken or missing on this
  machine. It is set aside with the reason, reported once, and the next ones are sent.
- `OutboxError`: the outbox itself is gone. Nothing more can be sent.
"""

from __future__ import annotations

import math
import socket
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_collapse.core.guard import warn
from keras_collapse.core.process.redaction import redact
from keras_collapse.outputs.mlflow.delivery import Delivery
from keras_collapse.outputs.mlflow.mlflow_internals import latest_metrics
from keras_collapse.outputs.mlflow.outbox import REFUSED, Item, Outbox, OutboxError, size_of
from keras_collapse.outputs.mlflow.runs import LONGEST_TAG, find_or_make
from keras_collapse.outputs.mlflow.writer import claim, is_anothers, one_at_a_time, writer_of

BATCH_ITEMS = 100
"""Most items in one batch; a reading has at most ten metrics."""
PERMANENT = (
    "INVALID_PARAMETER_VALUE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
    "ENDPOINT_NOT_FOUND",
    "NOT_FOUND",
    "BAD_REQUEST",
)
"""MLflow's error codes for what it will never accept; all others may pass."""
MAY_PASS = (401, 403, 408, 429)
"""HTTP's client errors that a new token or some patience can cure."""
CHECK_SECONDS = 2.0
"""Time between two looks at who writes the run."""
REACH_SECONDS = 3.0
"""Time within which a server must accept a connection."""


class Unreachable(Exception):
    """The server does not answer; the items wait."""


class Sender:
    """Sends the items of an outbox.

    Args:
        outbox: to send.
        again: whether the training is over, so that an earlier sender may have sent some of it
            without an answer, and another training may have continued its run.

    Attributes:
        superseded: whether another training writes the run: then only steps and pictures that it
            does not have are sent.
    """

    def __init__(self, outbox: Outbox, again: bool = False) -> None:
        self.outbox = outbox
        self._delivery: Delivery | None = None
        self.superseded = False
        self._again = again
        self._checked = -math.inf
        self._unsure = again  # whether the next items may have arrived already
        self._reported: set[str] = set()

    def send(self) -> None:
        """Send everything that waits.

        Raises:
            Unreachable: the server does not answer.
            OutboxError: the outbox's files cannot be read or written.
        """
        while items := self.outbox.next(BATCH_ITEMS):
            for batch in _batches(items):
                self._deliver([item for item, _ in batch])
                self.outbox.arrived(batch[-1][1])
                self._unsure = False

    def end(self, status: str, tags: Mapping[str, str]) -> None:
        """End the run, if it is ours, without its outbox, which is lost.

        Raises:
            Exception: the server does not answer.
        """
        if self._delivery is not None and self.outbox.state["own"] and not self.superseded:
            client, run_id = self._delivery.client, self._delivery.run_id
            for name, value in tags.items():
                client.set_tag(run_id, name, redact(value)[:LONGEST_TAG], synchronous=True)
            client.set_terminated(run_id, status)

    def _deliver(self, items: Sequence[Item]) -> None:
        """Send items of one kind; set aside those that cannot be sent."""
        try:
            delivery = self.connect()
            if self.superseded and items[0]["kind"] not in ("metrics", "image"):
                return
            delivery.unsure = self._unsure
            delivery.superseded = self.superseded
            began, done = time.thread_time(), 0
            try:
                delivery.deliver(items)
                done = sum(map(size_of, items))
            finally:
                if budget := self.outbox.budgets.get(items[0]["kind"]):
                    budget.sent(done, time.thread_time() - began)
        except (Unreachable, OutboxError):
            self._unsure = True
            raise
        except Exception as error:
            if _may_pass(error):
                self._unsure = True
                raise Unreachable(_one_line(error)) from error
            if len(items) > 1:  # find the one that is to blame
                for item in items:
                    self._deliver([item])
            else:
                self._set_aside(items[0], error)

    def _set_aside(self, item: Item, error: Exception) -> None:
        self.outbox.set_aside(item, _one_line(error))
        who = "MLflow refused" if _is_mlflows(error) else "MLflowLogger cannot send"
        if who not in self._reported:
            self._reported.add(who)
            warn(
                f"{who} a part of the log, kept in {self.outbox.folder / REFUSED}; the rest is "
                f"sent. Reason: {_one_line(error)[:300]}",
                stacklevel=2,
            )

    def connect(self) -> Delivery:
        """Find or create the run, the first time; later see that the server is there.

        Raises:
            Unreachable: the server does not answer.
            OutboxError: another training has become the run's writer.
        """
        try:
            uri = self.outbox.state.get("tracking_uri")
            if self._delivery is not None:
                _reach(str(uri))
                if time.monotonic() - self._checked > CHECK_SECONDS:
                    self._see_writer(self._delivery.client)
                return self._delivery
            import mlflow

            if not uri:
                uri = _absolute(mlflow.get_tracking_uri())
                self.outbox.note(tracking_uri=uri)
            _reach(uri)
            client = mlflow.MlflowClient(uri)
            if self.outbox.state.get("claimed"):
                self._see_writer(client)
            else:
                self._find_run(client)
            self._delivery = Delivery(client, self.outbox)
            return self._delivery
        except OutboxError:
            raise
        except Exception as error:
            raise Unreachable(_one_line(error)) from error

    def _find_run(self, client: Any) -> None:
        """Find or create the run, and become its writer unless a later training writes it."""
        with one_at_a_time():
            state = self.outbox.state
            run, continues = find_or_make(client, state)
            before = latest_metrics(client, client.get_run(run.info.run_id)) if continues else []
            made = run.info.run_id != state.get("run_id")
            name = run.info.run_name if made and state["wanted"]["run_name"] is None else None
            self.outbox.note(
                run_id=run.info.run_id,
                experiment_id=run.info.experiment_id,
                last_steps={metric.key: metric.step for metric in before},
                generated_name=name,
            )
            later = is_anothers(run, state) and writer_of(run).get("began", 0) > state["began"]
            if self._again and later:
                self.superseded = True
                return
            claim(client, self.outbox.state)
            self.outbox.note(claimed=True)

    def check_writer(self) -> None:
        """See before the next item whether another training has become the run's writer."""
        self._checked = 0.0

    def _see_writer(self, client: Any) -> None:
        """Raise OutboxError if another training has become the writer of a run that is ours."""
        self._checked = time.monotonic()
        state = self.outbox.state
        if not state["own"] and (not self._again or state["ended"]):
            return  # a run of the user's, in which several fits may follow each other
        run = client.get_run(state["run_id"])
        self.superseded = is_anothers(run, state)
        if self.superseded and not self._again:
            raise OutboxError(f"another training continues the run {state['run_id']}")


def _batches(items: Sequence[tuple[Item, int]]) -> Iterator[Sequence[tuple[Item, int]]]:
    """Yield successive metrics together, any other item by itself."""
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


def _is_mlflows(error: Exception) -> bool:
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException)


def _may_pass(error: Exception) -> bool:
    """Return whether the same request may succeed later."""
    if _is_mlflows(error):
        return getattr(error, "error_code", "") not in PERMANENT
    answer = getattr(error, "response", None)  # of requests, for artifacts
    if answer is not None and 400 <= answer.status_code < 500:
        return answer.status_code in MAY_PASS
    return isinstance(error, OSError)  # of the network, or of a store on disk


def _one_line(error: Exception) -> str:
    return redact(f"{type(error).__name__}: {' '.join(str(error).split())}")


def _reach(uri: str) -> None:
    """Check that a server accepts connections: MLflow itself would try for minutes.

    Raises:
        OSError: it does not.
    """
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme in ("http", "https") and parts.hostname:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), timeout=REACH_SECONDS).close()


def _absolute(uri: str) -> str:
    """Return a store's address that is valid in every working folder."""
    path = uri.removeprefix("sqlite:///")
    return f"sqlite:///{Path(path).resolve()}" if path != uri else uri
