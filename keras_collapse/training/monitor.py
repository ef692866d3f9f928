"""CollapseMonitor: the callback that watches a GAN's training and reports whether it is failing."""

from __future__ import annotations

import contextlib
import copy
import functools
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from keras_collapse.core.advice import Driver, Setting
from keras_collapse.core.detectors import Detector, ProbeDetector
from keras_collapse.core.events import RunEvents, events_of, without_events
from keras_collapse.core.findings import Verdict
from keras_collapse.core.guard import guarded
from keras_collapse.core.samples.diversity import Features
from keras_collapse.training.loops.fit import FitLoop
from keras_collapse.training.loops.manual import CHECK_EVERY, ManualLoop
from keras_collapse.training.loops.train_on_batch import LoopWatch
from keras_collapse.training.metadata import facts_of
from keras_collapse.training.networks.discovery import networks_of
from keras_collapse.training.on_failure import OnFailure, Reaction
from keras_collapse.training.probe.held_out import find_data
from keras_collapse.training.recovery.rollback import trained
from keras_collapse.training.session import MonitorSession
from keras_collapse.training.steps import StepCounter, check_every


class CollapseMonitor(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no type hints
    """Reports whether a GAN is failing, since when, and why, while it trains.

    It finds both networks, the latent size and the names of the logs itself, keeps a journal that
    can be read while it grows, and ends with a verdict. It never changes the training: weights are
    bit-identical with and without it, and an error of its own is reported once and switches it off
    until the next ``fit``.

    Several fits of the same model are one run; a fit of another model begins a new one.

    Args:
        every: when to check samples: ``"epoch"``, ``"batch"``, or a number of training steps.
            Anything but ``"epoch"`` makes JAX and PyTorch wait for each step. In a loop of your
            own, ``"epoch"`` means every 100 steps.
        signals: canonical signal to log key, such as ``{"d_loss": "my_loss"}``, for names that
            are not recognised. Canonical are ``d_loss, d_loss_real, d_loss_fake, d_acc,
            d_acc_real, d_acc_fake, g_loss, g_acc``.
        run_dir: the run's folder, for its journal. By default a new one in ``collapse_runs``.
        on_failure: what to do when a finding becomes ``failed``: ``"warn"`` (print a line),
            ``"stop"`` (end the training: after this step, or on JAX and PyTorch at most 32 steps
            later, as logs are read meanwhile; in a loop see `should_stop`), ``"raise"``
            (`CollapseError`), ``"rollback"`` (restore both networks and their optimizers as of the
            last healthy sample check and go on, 3 times at most: in ``fit`` when the epoch ends, in
            a ``train_on_batch`` loop at the next check), or a function that takes the `Finding`.
        detectors: the detectors to run; by default all.
        real: samples of the data as D is shown it, float (n, ...), to compare G's samples with;
            for a conditional G ``(samples, labels)``. By default some of the arrays that ``fit``
            is given, else of the first batches, where Keras shows them.
        held_out: samples of the same kind that are not trained on, float (n, ...), which show
            whether D overfits and G memorises. By default ``fit``'s ``validation_data``.
        features: a function from samples (n, ...) to the numbers (n, k) that are compared, such as
            your own network's; by default the samples themselves.
        verbose: 1 prints failures and the verdict, 0 nothing.
        keep_best: save G's weights at the best sample check and at the last healthy one, in the
            run's folder; the verdict has the line of code that loads them.

    Attributes:
        real, held_out, features: as given; they can be set until a training begins.
        verdict: the `Verdict` as of now.
        run_dir: the run's folder; None before there is one.
        should_stop: whether the training is asked to end.

    Raises:
        InputError: ``every`` or ``on_failure`` is none of the values above.

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
        held_out: np.ndarray | None = None,
        features: Features | None = None,
        verbose: int = 1,
        keep_best: bool = False,
    ) -> None:
        super().__init__()
        check_every(every)
        Reaction(on_failure, verbose)  # to raise here, not when training begins
        self.every, self.signals = every, signals
        self.on_failure, self.detectors = on_failure, detectors
        self.real, self.held_out, self.features = real, held_out, features
        self.verbose, self.keep_best = verbose, keep_best
        # Keras then hands batches over in threads, out of order: the step counter sorts them.
        self.async_safe = every == "epoch"
        self._given_folder = Path(run_dir) if run_dir is not None else None
        self._lock = threading.Lock()
        self._watched: weakref.ReferenceType[Any] | None = None
        self._reset()

    def _reset(self) -> None:
        """Begin a new run."""
        self._session = MonitorSession(
            self._given_folder,
            self.signals,
            copy.deepcopy(self.detectors),  # their state belongs to one run
            Reaction(self.on_failure, self.verbose),
            self.verbose,
            self.keep_best,
        )
        self._steps = StepCounter()
        every = 1 if self.every == "batch" else self.every
        self._fit = FitLoop(
            self._session, self._steps, every, lambda: (self.real, self.held_out, self.features),
            lambda: self.model)  # fmt: skip
        self._loop: ManualLoop | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict as of now; ``unknown`` before anything was seen."""
        return self._session.verdict

    @property
    def run_dir(self) -> Path | None:
        """The run's folder; None before there is one."""
        return self._session.journal.folder

    @property
    def should_stop(self) -> bool:
        """Whether ``on_failure="stop"`` has asked the training to end.

        ``fit`` ends by itself. In a loop of your own do ``if monitor.should_stop: break``.
        """
        return self._loop.should_stop if self._loop is not None else self._fit.should_stop

    def open_journal(self) -> None:
        """Open the journal now rather than when ``fit`` begins, and fail if that is impossible.

        Raises:
            InputError: the run's folder cannot be written to.
        """
        self._session.journal.open()

    def __deepcopy__(self, memo: dict[int, Any]) -> CollapseMonitor:
        """A fresh monitor with the same arguments: tuners copy callbacks for each trial."""
        signals, detectors = copy.deepcopy((self.signals, self.detectors), memo)
        return CollapseMonitor(
            self.every, signals, self._given_folder, self.on_failure, detectors,
            self.real, self.held_out, self.features, self.verbose, self.keep_best,
        )  # fmt: skip

    @contextlib.contextmanager
    def watching(
        self,
        generator: Any = None,
        discriminator: Any = None,
        combined: Any = None,
        callbacks: Sequence[Any] = (),
    ) -> Iterator[Self]:
        """Watch a training loop of your own, without changes to it.

        Given D and the combined model, each of their ``train_on_batch`` calls is read; a training
        step ends with the combined model's. In any other loop call `update` in each step: its first
        steps show which optimizer changes which network.

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
                while not monitor.should_stop:
                    step(g, d, gan)  # calls train_on_batch of d and of gan
        """
        model = next((m for m in (combined, discriminator, generator) if m is not None), self)
        params: dict[str, Any] = {}
        events = events_of(params)
        events.admit(self)
        for callback in callbacks:
            callback.set_model(model)
            callback.set_params(params)
        for callback in callbacks:
            callback.on_train_begin()
        pair = all(isinstance(one, keras.layers.Layer) for one in (generator, discriminator))
        seen = discriminator is not None and combined is not None
        loop = self._begin_loop(model, generator, discriminator, seen or pair, events)
        watch = LoopWatch(generator, discriminator, combined, loop) if seen else None
        if watch is not None:
            watch.start()
        elif pair:
            self._session.guard(loop.observe, generator, discriminator)
        try:
            yield self
        finally:
            if watch is not None:
                watch.stop()
            loop.release()
        self._session.guard(self._end, loop.finish)
        for callback in callbacks:
            callback.on_train_end()

    def update(self, **signals: float) -> None:
        """Take the numbers of one training step of a loop of any kind.

        Args:
            **signals: name to number, such as ``d_loss=0.69, g_loss=0.7, d_acc_real=0.5``; names
                are recognised as those of logs are.
        """
        if self._loop is None:
            self._begin_loop(self, None, None, False, RunEvents())
            self._session.open_ended = True
        assert self._loop is not None
        self._session.guard(self._loop.see_step, signals)

    def _begin_loop(
        self, model: Any, generator: Any, discriminator: Any, seen: bool, events: RunEvents
    ) -> ManualLoop:
        self._begin_run_of(model)
        every = {"epoch": CHECK_EVERY, "batch": 1}.get(str(self.every)) or int(self.every)
        self._loop = ManualLoop(self._session, self._steps, every)
        self._session.guard(self._open_loop, model, generator, discriminator, seen, events)
        return self._loop

    def _open_loop(
        self, model: Any, generator: Any, discriminator: Any, seen: bool, events: RunEvents
    ) -> None:
        assert self._loop is not None
        known = networks_of(generator, discriminator)
        look_for = functools.partial(find_data, known, self.real, self.held_out, self.features)
        facts = facts_of(model, {}, known) if isinstance(model, keras.Model) else {}
        step, owners = self._steps.next_step, trained(model, *known.found)
        self._session.begin(events, known, facts, step, look_for, seen, self._loop.stop, owners)
        self._session.see_setting(Setting(Driver.UPDATE))
        self._session.fingerprint(step - 1)

    def set_params(self, params: Any) -> None:
        """Announce that this fit has a monitor; a second one publishes to nobody."""
        if not events_of(params).admit(self):
            params = without_events(params)
        super().set_params(params)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self._fit.has_just_begun(self.params):  # else it is twice in the callbacks list
            self._begin_run_of(self.model)
            self._loop = None
            self._session.guard(self._fit.begin, self.params or {})

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._session.guard(self._fit.begin_epoch, epoch)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._fit.backlog.wait(batch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        with self._fit.backlog.reading(), self._lock:
            self._session.guard(self._fit.end_batch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._session.guard(self._fit.end_epoch, logs or {})

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._fit.running or self._loop is not None:  # else it is twice in the list
            self._session.guard(self._end, self._session.finish)
            if self._session.off:  # the fit itself ended well, which the outputs must know
                guarded("CollapseMonitor", self._end, self._session.finish)
        self._fit.running = False

    def _begin_run_of(self, model: Any) -> None:
        """Begin a new run unless the last one was of this model too."""
        if self._watched is not None and self._watched() is not model:
            self._fit.leave()
            self._reset()
        self._watched = weakref.ref(model)
        self._session.resume()

    def _end(self, finish: Callable[[], None]) -> None:
        """End a fit or loop: record the verdict and print it."""
        self._fit.leave()
        finish()
        self._session.print_verdict()
