"""CollapseMonitor: the callback that watches a GAN's ``fit`` and says whether it is failing."""

from __future__ import annotations

import contextlib
import copy
import functools
import shlex
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from keras_collapse.core.detectors import Detector, ProbeDetector
from keras_collapse.core.errors import InputError
from keras_collapse.core.events import hub_of
from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.core.guard import guarded
from keras_collapse.training.hooks.batches import BACKENDS
from keras_collapse.training.loops.fit import FitWatch
from keras_collapse.training.loops.train_on_batch import LoopWatch
from keras_collapse.training.metadata import facts_of, metric_names, rates_of
from keras_collapse.training.networks.discovery import find_networks, networks_of
from keras_collapse.training.on_failure import CollapseError, OnFailure, Reaction
from keras_collapse.training.probe.real_data import find_real
from keras_collapse.training.session import Run
from keras_collapse.training.steps import StepCounter, plain_numbers

LOOK_STEPS = 100
"""Steps between looks at G's samples in a loop, which has no epochs."""


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
        real: samples of the data as D is shown it, float (n, ...), to compare G's samples with;
            for a conditional G ``(samples, labels)``. By default some of what ``fit`` is given,
            where that is arrays, else of the first batches, where Keras shows them.
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
        detectors: Sequence[Detector | ProbeDetector] | None = None,
        real: np.ndarray | tuple[np.ndarray, np.ndarray] | None = None,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        if not (every in ("epoch", "batch") or (isinstance(every, int) and every > 0)):
            raise InputError(
                f'every must be "epoch", "batch" or a number of steps. Received: {every!r}'
            )
        self.every = every
        self.signals = signals
        self.on_failure = on_failure
        self.detectors = detectors
        self.real = real
        self.verbose = verbose
        self._reaction = Reaction(on_failure, verbose)
        # Keras then hands batches over in threads, out of order: the step counter sorts them.
        self.async_safe = every == "epoch"
        self._model: Any = None  # a weak proxy
        self._given_folder = Path(run_dir) if run_dir is not None else None
        self._lock = threading.Lock()
        self._watched: weakref.ReferenceType[Any] | None = None
        self._off = False
        self._fit = FitWatch(self._tell, self._show, self._guard)
        self._reset()

    def _reset(self) -> None:
        self._run = Run(self._given_folder, self.signals, self.detectors)
        self._steps = StepCounter()
        self._said = ""  # why samples are not compared, as it was printed
        self._fresh = False  # a fit has begun whose first epoch has not
        self._fit.leave()
        self._fit = FitWatch(self._tell, self._show, self._guard)
        self._reaction.reset()

    @property
    def verdict(self) -> Verdict:
        """The verdict as of now; ``unknown`` before anything was seen."""
        return self._run.verdict

    @property
    def run_dir(self) -> Path | None:
        """The run's folder; None before there is one."""
        return self._run.folder

    def open_journal(self) -> None:
        """Open the journal now rather than when ``fit`` begins, and fail if that cannot be.

        Raises:
            InputError: the run's folder cannot be written to.
        """
        self._run.open_journal()

    def __deepcopy__(self, memo: dict[int, Any]) -> CollapseMonitor:
        """A fresh monitor with the same arguments: tuners copy callbacks for each trial."""
        return CollapseMonitor(
            self.every,
            copy.deepcopy(self.signals, memo),
            self._given_folder,
            self.on_failure,
            copy.deepcopy(self.detectors, memo),
            self.real,
            self.verbose,
        )

    # -- hooks -----------------------------------------------------------------------------

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._guard(self._begin)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._guard(self._begin_epoch, epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        with self._lock:
            self._guard(self._take, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._guard(self._end_epoch, logs or {})

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._guard(self._end)

    def _guard(self, action: Callable[..., None], *arguments: Any) -> None:
        if not self._off:
            guarded(self, action, *arguments, off=self._switch_off, passing=(CollapseError,))

    def _switch_off(self, _: object) -> None:
        self._off = True

    # -- loops -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def watching(
        self,
        generator: Any = None,
        discriminator: Any = None,
        combined: Any = None,
        callbacks: Sequence[Any] = (),
    ) -> Iterator[Self]:
        """Watch a loop of your own: everything that ``fit`` gets, from the loop as it stands.

        Given D and the combined model, each ``train_on_batch`` of theirs is read: a training step
        ends with the combined model's. In loops of any other kind call `update` in each step.

        Args:
            generator: latents to samples.
            discriminator: samples to scores, trained by its own ``train_on_batch``.
            combined: latents to scores, whose ``train_on_batch`` trains G.
            callbacks: others to take part, such as ``SeedControl(42)`` and ``MLflowLogger()``.

        Yields:
            The monitor.

        Example::

            monitor = kc.CollapseMonitor()
            with monitor.watching(generator=g, discriminator=d, combined=gan):
                for _ in range(steps):
                    d.train_on_batch(real, ones)
                    d.train_on_batch(g.predict(latents, verbose=0), zeros)
                    gan.train_on_batch(latents, ones)
        """
        seen = discriminator is not None and combined is not None
        model = next((m for m in (combined, discriminator, generator) if m is not None), self)
        for callback in callbacks:
            callback.set_model(model)
            callback.on_train_begin()
        self._guard(self._begin_loop, model, generator, discriminator, seen)
        watch = None
        if seen:
            watch = LoopWatch(
                generator,
                discriminator,
                combined,
                self._see_step,
                self._tell,
                self._show,
                self._guard,
            )
            watch.start()
        try:
            yield self
        finally:
            if watch is not None:
                watch.stop()
        self._guard(self._end)
        for callback in callbacks:
            callback.on_train_end()

    def update(self, **signals: float) -> None:
        """Take the numbers of one training step of a loop of any kind.

        Args:
            **signals: name to number, such as ``d_loss=0.69, g_loss=0.7, d_acc_real=0.5``; names
                are recognised as those of logs are.
        """
        if self._watched is None:
            self._guard(self._begin_loop, self, None, None, False)
        self._guard(self._see_step, signals)

    def _begin_loop(self, model: Any, generator: Any, discriminator: Any, seen: bool) -> None:
        if self._watched is not None and self._watched() is not model:
            self._reset()
        self._watched = weakref.ref(model)
        self._model = weakref.proxy(model)
        known = networks_of(generator, discriminator)
        look_for = functools.partial(find_real, known, self.real)
        facts = facts_of(model, {}, known) if isinstance(model, keras.Model) else {}
        self._run.begin(hub_of(model), known, facts, self._steps.next_step, look_for, seen)
        self._say_blind()
        self._run.fingerprint(self._steps.next_step - 1)

    def _see_step(
        self,
        logs: Mapping[str, Any],
        rounding: Mapping[str, float] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> None:
        numbers = {name: float(number) for name, number in logs.items()}
        self._run.set_form(numbers, averaging=None if rounding is None else "batch")
        step = self._steps.next_step
        self._steps.next_step = step + 1
        for finding in self._run.see(step, 0, numbers, rounding, data):
            self._react(finding)
        steps = LOOK_STEPS if self.every == "epoch" else self._look_every
        if (step + 1) % steps == 0:
            self._look_now(step)

    # -- a fit's life ------------------------------------------------------------------------

    def _begin(self) -> None:
        model, params = self.model, self.params or {}
        if self._watched is not None and self._watched() is not model:
            self._reset()
        if self._watched is None or self._watched() is not model:
            self._watched = weakref.ref(model)
        self._model = weakref.proxy(model)
        self._means = metric_names(model)
        self._steps.begin_fit(
            int(getattr(model, "steps_per_execution", 1) or 1), params.get("steps")
        )
        networks = find_networks(model)
        look_for = functools.partial(find_real, networks, self.real, model)
        facts = facts_of(model, params, networks)
        seen = keras.backend.backend() in BACKENDS
        self._run.begin(hub_of(model), networks, facts, self._steps.next_step, look_for, seen)
        self._say_blind()
        self._fresh = True
        self._fit.begin(self._model, networks, self._steps.next_step)

    def _show(self, batch: Any) -> None:
        self._run.show(batch)

    def _say_blind(self) -> None:
        """Say why samples are not compared with data, if they are not; each reason once."""
        why = self._run.blind
        if self.verbose and why not in ("", self._said):
            self._said = why
            print(f"keras-collapse: samples are not compared with data: {why}.", flush=True)

    def _begin_epoch(self, epoch: int) -> None:
        self._steps.begin_epoch(epoch)
        if self._fresh:  # only now is it known with which step a resumed run goes on
            self._fresh = False
            self._run.fingerprint(self._steps.next_step - 1)
        self._fit.begin_epoch(self._steps.next_step)

    def _take(self, batch: int, logs: Mapping[str, Any]) -> None:
        self._fit.after_step(self._steps.next_step)
        for step, log in self._steps.add(batch, logs):
            self._see(step, log)
        if self.every != "epoch":
            steps = self._look_every
            now = self._steps.next_step
            if now // steps > (now - self._steps.steps_per_execution) // steps:
                self._look()

    def _see(self, step: int, logs: Mapping[str, Any]) -> None:
        numbers = plain_numbers(logs)
        self._run.set_form(numbers, self._means, self._steps.epoch_start)
        for finding in self._run.see(step, self._steps.epoch, numbers, data=self._fit.data(step)):
            self._react(finding)

    def _react(self, finding: Finding, finish: Callable[[], object] | None = None) -> None:
        self._reaction.to(finding, self._stop, finish or self._run.finish)

    def _stop(self) -> None:
        self._model.stop_training = True

    def _tell(self, finding: Finding) -> None:
        self._run.report(finding)
        self._react(finding)

    def _end_epoch(self, logs: Mapping[str, Any]) -> None:
        _ = self.model  # on JAX, reading it brings the weights of this step into the layers
        self._fit.end_epoch(max(self._steps.next_step - 1, 0))
        for step, log in self._steps.end_epoch():
            self._see(step, log)
        rates = guarded(rates_of, rates_of, self.model) or {}
        self._run.end_epoch(
            self._steps.next_step - 1, self._steps.epoch, plain_numbers(logs), rates
        )
        if self.every == "epoch":
            self._look()

    @property
    def _look_every(self) -> int:
        return 1 if self.every == "batch" else int(self.every)

    def _look(self) -> None:
        _ = self.model  # on JAX, reading it brings the weights of this step into the layers
        self._look_now(self._steps.next_step - 1)

    def _look_now(self, step: int) -> None:
        for finding in self._run.look(step):
            self._react(finding)
        self._say_blind()

    def _end(self) -> None:
        self._fit.leave()
        for finding in self._run.finish():
            self._react(finding, finish=lambda: None)
        self._say_blind()
        if self.verbose:
            from keras_collapse.outputs.terminal.summary import show

            place = str(self.run_dir or "")
            report = f"Report: keras-collapse report {shlex.quote(place)}" if place else ""
            show(self.verdict, place, follow=report)
