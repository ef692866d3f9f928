"""CollapseMonitor: the callback that watches a GAN's ``fit`` and says whether it is failing."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_collapse.core.averaging import Averaging
from keras_collapse.core.detectors import Detector
from keras_collapse.core.errors import InputError
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding, Severity, Verdict
from keras_collapse.core.hub import Hub, guarded, hub_of
from keras_collapse.core.journal import SCHEMA, Journal
from keras_collapse.core.reader import FLOAT32_ROUNDING, Reader
from keras_collapse.core.readings import Reading
from keras_collapse.core.signals import recognise_names
from keras_collapse.training.facts import facts_of, metric_names
from keras_collapse.training.models import (
    Networks,
    draw,
    find_networks,
    image_grid,
    save_picture,
)

RUNS_FOLDER = "collapse_runs"
SAMPLES = 32
LATENT_SEED = 20190528  # any number: the latents are fixed so that grids can be compared

OnFailure = str | Callable[[Finding], object]


def new_run_folder() -> Path:
    """A folder in ``collapse_runs`` that does not exist yet, named by the time."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder, taken = Path(RUNS_FOLDER) / stamp, 1
    while folder.exists():
        taken += 1
        folder = Path(RUNS_FOLDER) / f"{stamp}-{taken}"
    return folder


class CollapseError(RuntimeError):
    """Raised out of ``fit`` by ``on_failure="raise"``; ``finding`` says what failed."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.kind} since step {finding.first_step}: {finding.message}")
        self.finding = finding


class CollapseMonitor(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no type hints
    """Says whether a GAN is failing, since when, and why, while it trains.

    It finds the generator, the discriminator, the latent's size and the names of losses and
    accuracies itself, keeps a journal of the run that is readable while it grows, and ends with a
    verdict. It never changes the training: weights are bit-identical with and without it, and a
    fault of its own is reported once and switches it off.

    Args:
        every: when to draw samples: ``"epoch"``, ``"batch"``, or every that many steps. Anything
            but ``"epoch"`` makes JAX and PyTorch wait for each step.
        signals: canonical signal to log key, such as ``{"d_loss": "my_loss"}``, for names that
            are not recognised. Canonical are ``d_loss, d_loss_real, d_loss_fake, d_acc,
            d_acc_real, d_acc_fake, g_loss, g_acc``.
        run_dir: the run's folder, for its journal. By default a new one in ``collapse_runs``.
        on_failure: what to do when a finding becomes ``failed``: ``"warn"`` (print a line),
            ``"stop"`` (end the training after this step), ``"raise"`` (`CollapseError`), or a
            function that takes the `Finding`.
        detectors: the detectors to run; by default all.
        verbose: 1 prints failures and the verdict, 0 nothing.

    Attributes:
        verdict: the `Verdict` as of now.
        run_dir: where the journal is.

    Example::

        monitor = kc.CollapseMonitor()
        gan.fit(data, epochs=10, callbacks=[monitor])
        monitor.verdict.status  # "healthy", "warning", "failed" or "unknown"
    """

    def __init__(
        self,
        every: str | int = "epoch",
        signals: Mapping[str, str] | None = None,
        run_dir: str | Path | None = None,
        on_failure: OnFailure = "warn",
        detectors: Sequence[Detector] | None = None,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        if not (every in ("epoch", "batch") or (isinstance(every, int) and every > 0)):
            raise InputError(
                f'every must be "epoch", "batch" or a number of steps. Received: {every!r}'
            )
        if not callable(on_failure) and on_failure not in ("warn", "stop", "raise"):
            raise InputError(
                'on_failure must be "warn", "stop", "raise" or a function. '
                f"Received: {on_failure!r}"
            )
        self.every = every
        self.signals = signals
        self.run_dir = Path(run_dir) if run_dir is not None else None
        self.on_failure = on_failure
        self.detectors = detectors
        self.verbose = verbose
        # Keras then hands batches over in threads, out of order: `on_train_batch_end` sorts them.
        self.async_safe = every == "epoch"
        self._given_run_dir = run_dir is not None
        self._lock = threading.Lock()
        self._watched: weakref.ReferenceType[Any] | None = None
        self._off = False
        self._reset()

    def _reset(self) -> None:
        self._examiner = Examiner(self.detectors)
        self._reader: Reader | None = None
        self._journal: Journal | None = None
        self._networks = Networks()
        self._grid: np.ndarray | None = None
        self._epochs = -1  # epochs begun, over all fit calls
        self._next_step = 0
        self._waiting: dict[int, Mapping[str, float]] = {}
        self._next_batch = 0
        self._raised = False

    @property
    def verdict(self) -> Verdict:
        """The verdict as of now; ``unknown`` before anything was seen."""
        return self._examiner.verdict(self._reader.averaging if self._reader else None)

    # -- hooks -----------------------------------------------------------------------------

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._guard(self._begin)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._guard(self._begin_epoch, epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        with self._lock:
            self._guard(self._take, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._guard(self._end_epoch, epoch, logs or {})

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._guard(self._end)

    def _guard(self, action: Callable[..., None], *arguments: Any) -> None:
        if not self._off:
            guarded(self, action, *arguments, off=self._switch_off, passing=(CollapseError,))

    def _switch_off(self, _: object) -> None:
        self._off = True

    # -- a run's life ------------------------------------------------------------------------

    def _begin(self) -> None:
        model = self.model
        if self._watched is not None and self._watched() is not model:
            self._reset()
        if self._watched is None or self._watched() is not model:
            self._watched = weakref.ref(model)
        self._model: Any = weakref.proxy(model)
        self._hub: Hub = hub_of(model)
        self._steps_per_execution = int(getattr(model, "steps_per_execution", 1) or 1)
        self._metric_names = metric_names(model)
        self._networks = find_networks(model)
        if self._networks.missing and self.verbose:
            print(f"keras-collapse: {self._networks.missing}.")
        self._latents = None
        if self._networks.latent_shape is not None:
            shape = (SAMPLES, *self._networks.latent_shape)
            self._latents = np.random.default_rng(LATENT_SEED).standard_normal(shape, np.float32)
        if self._journal is None:
            guarded(self, self.open_journal)
        self._facts = facts_of(model, self.params or {}) | self._hub.facts
        self._facts["run_dir"] = str(self.run_dir)
        self._write("fit", step=self._next_step, facts=self._facts)
        self._hub.tell("on_run", self._facts)

    def open_journal(self) -> None:
        """Open the journal now rather than when ``fit`` begins, and fail if that cannot be.

        Raises:
            InputError: the run's folder cannot be written to.
        """
        if self.run_dir is None or not self._given_run_dir:
            self.run_dir = new_run_folder()
        self._journal = Journal(self.run_dir)
        weakref.finalize(self, self._journal.close)
        self._write("run", schema=SCHEMA, time=time.time())

    def _begin_epoch(self, epoch: int) -> None:
        steps = (self.params or {}).get("steps")
        if self._epochs < 0 and epoch > 0 and steps:
            self._next_step = epoch * steps  # a resumed run: initial_epoch of its first fit
        self._epochs += 1
        self._epoch_start = self._next_step
        self._next_batch = self._steps_per_execution - 1
        self._waiting.clear()

    def _take(self, batch: int, logs: Mapping[str, Any]) -> None:
        """Batches may come out of order and from several threads; the reader wants them sorted."""
        self._waiting[batch] = logs
        # With several steps an execution, an epoch of unknown length may end within one: which
        # execution is the last, and so shorter than it says, shows only when another follows.
        ahead = self._steps_per_execution if self._length_unknown() else 0
        while self._next_batch in self._waiting and self._next_batch + ahead in self._waiting:
            self._see(self._next_batch, self._waiting.pop(self._next_batch))
            self._next_batch += self._steps_per_execution
        if self.every != "epoch":
            steps = 1 if self.every == "batch" else int(self.every)
            if self._next_step // steps > (self._next_step - self._steps_per_execution) // steps:
                self._look(self.model)

    def _length_unknown(self) -> bool:
        return self._steps_per_execution > 1 and not (self.params or {}).get("steps")

    def _see(self, batch: int, logs: Mapping[str, Any]) -> None:
        known = (self.params or {}).get("steps")
        last = min(batch, known - 1) if known else batch
        step = self._epoch_start + last
        self._next_step = step + 1
        numbers = {k: float(v) for k, v in logs.items() if isinstance(v, (int, float))}
        if self._reader is None:
            self._reader = self._make_reader(numbers)
        if self._journal is not None:
            journal = self._journal
            guarded(journal, journal.write_logs, step, self._epochs, numbers, off=self._no_journal)
        self._hub.tell("on_logs", step, numbers)
        self._pass_on(self._reader.read(step, numbers, self._epochs))

    def _make_reader(self, logs: Mapping[str, float]) -> Reader:
        """Metrics of the model are means since the epoch began, tensors are the batch's own."""
        keys = set(recognise_names(logs, self.signals).keys.values())
        raw = keys - self._metric_names
        hint = Averaging.BATCH if raw == keys else Averaging.EPOCH
        settings: dict[str, Any] = {
            "signals": self.signals,
            "hint": str(hint),
            "raw": sorted(raw) if raw != keys else [],
            "origin": self._epoch_start,
        }
        self._write("reader", **settings)
        return Reader(**settings, relative_rounding=FLOAT32_ROUNDING)

    def _pass_on(self, readings: Sequence[Reading]) -> None:
        for reading in readings:
            self._hub.tell("on_reading", reading)
            for finding in self._examiner.update(reading):
                self._report(finding)

    def _report(self, finding: Finding) -> None:
        self._write("finding", finding=finding.to_dict())
        if self._journal is not None:
            self._journal.flush()
        self._hub.tell("on_finding", finding)
        if finding.severity is not Severity.FAILED or finding.healed:
            return
        if self.verbose:
            print(
                f"\nkeras-collapse: {finding.kind} since step {finding.first_step}. "
                f"{finding.message}",
                flush=True,
            )
        if callable(self.on_failure):
            guarded(self.on_failure, self.on_failure, finding)
        elif self.on_failure == "stop":
            self._model.stop_training = True
        elif self.on_failure == "raise" and not self._raised:
            self._raised = True
            self._finish()
            raise CollapseError(finding)

    def _end_epoch(self, epoch: int, logs: Mapping[str, Any]) -> None:
        if not self._length_unknown():
            for batch in sorted(self._waiting):
                self._see(batch, self._waiting.pop(batch))
        numbers = {k: float(v) for k, v in logs.items() if isinstance(v, (int, float))}
        self._write("epoch", step=self._next_step - 1, epoch=self._epochs, logs=numbers)
        if self._journal is not None:
            self._journal.flush()
        if self.every == "epoch":
            self._look(self.model)

    def _look(self, model: Any) -> None:
        """Draw from the fixed latents; a fault here costs the samples, not the verdict."""
        if self._latents is None:
            return
        generator = self._networks.generator
        samples = guarded(self, draw, generator, self._latents, off=self._stop_looking)
        if samples is None:
            return
        self._grid = image_grid(samples)
        if self._grid is not None:
            self._hub.tell("on_samples", self._next_step - 1, self._grid)
            if self._journal is not None:
                guarded(self, save_picture, self._grid, self._journal.folder / "samples.png")

    def _stop_looking(self, _: object) -> None:
        self._latents = None

    def _end(self) -> None:
        self._finish()
        if self.verbose:
            from keras_collapse.outputs.verdict import show

            show(self.verdict, source=str(self.run_dir) if self._journal else "")

    def _finish(self) -> None:
        """Close the books of this fit: everything held back is judged, the verdict recorded."""
        if self._reader is not None:
            self._pass_on(self._reader.close())
            for finding in [*self._reader.findings(), *self._hub.posted.values()]:
                self._examiner.report(finding)
        verdict = self.verdict
        self._write("end", verdict=verdict.to_dict(str(self.run_dir)))
        if self._journal is not None:
            self._journal.flush()
        self._hub.tell("on_verdict", verdict, self._grid)

    def _write(self, record: str, **fields: Any) -> None:
        if self._journal is not None:
            guarded(self._journal, self._journal.write, record, off=self._no_journal, **fields)

    def _no_journal(self, _: object) -> None:
        self._journal = None
