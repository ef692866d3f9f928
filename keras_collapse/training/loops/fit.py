"""A ``fit``: Keras' callback hooks as the training steps, epochs and sample checks of a session."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from keras_collapse.core.advice import Driver, Setting
from keras_collapse.core.events import events_of
from keras_collapse.core.guard import guarded, warn
from keras_collapse.training.loops.backlog import Backlog
from keras_collapse.training.loops.fit_watch import FitWatch
from keras_collapse.training.metadata import facts_of, metric_names, rates_of
from keras_collapse.training.networks.discovery import find_networks, optimizers_of
from keras_collapse.training.networks.keras_internals import waiting_callbacks
from keras_collapse.training.probe.held_out import find_data
from keras_collapse.training.session import MonitorSession
from keras_collapse.training.steps import StepCounter, plain_numbers
from keras_collapse.training.wiring.first_step import not_checked

WAITS = (
    "Keras waits for the device after each step, since {} reads logs at once. Without that, logs "
    "are read while the next steps run."
)

UNSEEN = (
    "the numbers of {} of {} steps, since Keras logs the last step of an execution "
    "(steps_per_execution)"
)


class FitLoop:
    """Drives a session from the hooks of one model's fits, one after another.

    Args:
        session: the run.
        steps: counts its training steps.
        every: ``"epoch"``, or the training steps between sample checks.
        get_given: returns what the user gave: real samples, held-out ones, features; None for each
            not given.
        get_model: returns the model; on JAX this brings the weights of the latest step into its
            layers, so it is called before they are looked at, and not at every step.

    Attributes:
        should_stop: whether the fit was asked to end.
        running: whether a fit has begun and not ended.
        backlog: its steps whose logs were not read yet.
    """

    def __init__(
        self,
        session: MonitorSession,
        steps: StepCounter,
        every: str | int,
        get_given: Callable[[], tuple[Any, Any, Any]],
        get_model: Callable[[], Any],
    ) -> None:
        self.should_stop = False
        self.running = False
        self.backlog = Backlog()
        self._params: Any = None
        self._open_epoch: int | None = None
        self._session, self._steps, self._every = session, steps, every
        self._get_given, self._get_model = get_given, get_model
        self._model: Any = None  # a weak proxy, since asking for the model costs
        self._watch = FitWatch(session)
        self._means: set[str] = set()
        self._fresh = False  # a fit has begun whose first epoch has not
        self._told = False  # that steps are not seen
        self._waits: list[str] = []  # callbacks that make Keras wait, once they were named

    def begin(self, params: Mapping[str, Any]) -> None:
        """Begin a fit with the callback parameters that Keras gave."""
        self.running, self._fresh, self._params, self._open_epoch = True, True, params, None
        model = self._get_model()
        self.should_stop = False
        self._model = weakref.proxy(model)
        self._means = metric_names(model)
        per_execution = int(getattr(model, "steps_per_execution", 1) or 1)
        self._steps.begin_fit(per_execution, params.get("steps"))
        networks = find_networks(model)
        look_for = functools.partial(find_data, networks, *self._get_given(), model)
        facts = facts_of(model, params, networks)
        self._name_who_waits(str(facts.get("device", "")))
        step = self._steps.next_step
        owners = [model, *networks.found, *optimizers_of(model).values()]
        self._session.begin(
            events_of(params), networks, facts, step, look_for, True, self._stop, owners
        )
        self._session.see_setting(Setting(Driver.FIT))
        self._watch.begin(self._model, networks, step)

    def _name_who_waits(self, device: str) -> None:
        """Name the callbacks, once, for which Keras waits for a device that is not the CPU."""
        if self._every == "epoch" and not self._waits and "cpu" not in device.lower():
            self._waits = guarded(waiting_callbacks, waiting_callbacks) or []
            if self._waits:
                warn(f"CollapseMonitor: {WAITS.format(' and '.join(self._waits))}", 7)

    def has_just_begun(self, params: Any) -> bool:
        """Whether the fit with these callback parameters has begun, and no epoch of it has."""
        return self.running and self._fresh and self._params is params

    def begin_epoch(self, epoch: int) -> None:
        """Begin an epoch, numbered as Keras does."""
        if epoch == self._open_epoch:
            return
        self._open_epoch = epoch
        self._steps.begin_epoch(epoch)
        if self._fresh:  # only now is it known with which step a resumed run goes on
            self._fresh = False
            self._session.fingerprint(self._steps.next_step - 1)
        self._watch.begin_epoch(self._steps.next_step)

    def end_batch(self, batch: int, logs: Mapping[str, Any]) -> None:
        """Take the log of a batch; on several threads these may come out of order."""
        if not self._steps.is_new(batch):
            return
        self._watch.after_step(self._steps.next_step)
        for step, log in self._steps.add(batch, logs):
            self._see(step, log)
        if self._every != "epoch":
            every, now = int(self._every), self._steps.next_step
            if now // every > (now - self._steps.steps_per_execution) // every:
                self._get_model()
                self._session.check_samples(now - 1)

    def end_epoch(self, logs: Mapping[str, Any]) -> None:
        """End an epoch with its own logs, those of the validation among them."""
        if self._open_epoch is None:
            return
        self._open_epoch = None
        model = self._get_model()
        self._watch.end_epoch(max(self._steps.next_step - 1, 0))
        for step, log in self._steps.end_epoch():
            self._see(step, log)
        rates = guarded(rates_of, rates_of, model) or {}
        step = self._steps.next_step - 1
        self._session.end_epoch(step, self._steps.epoch, plain_numbers(logs), rates)
        if self._every == "epoch":
            self._session.check_samples(step)
        self._session.roll_back(step)

    def leave(self) -> None:
        """Remove all patches from the model."""
        self._watch.leave()

    def _see(self, step: int, logs: Mapping[str, Any]) -> None:
        numbers, data = plain_numbers(logs), self._watch.data(step)
        unseen = self._steps.steps_per_execution - 1
        if unseen and not self._told and self._means.isdisjoint(numbers):  # else: means of all
            self._told = True
            self._session.report(not_checked(UNSEEN.format(unseen, unseen + 1)))
        epoch, start = self._steps.epoch, self._steps.epoch_start
        self._session.see(step, epoch, numbers, self._means, start, data=data)

    def _stop(self) -> None:
        self.should_stop = True
        self._model.stop_training = True
