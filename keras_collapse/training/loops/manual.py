"""A loop of the user's own: one call of `ManualLoop.see_step` for each training step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_collapse.core.advice import Driver, Setting
from keras_collapse.core.findings import Finding
from keras_collapse.training.probe.shown_samples import ShownSamples
from keras_collapse.training.session import MonitorSession
from keras_collapse.training.steps import StepCounter
from keras_collapse.training.wiring.compiled_loop import CompiledLoop
from keras_collapse.training.wiring.eager_loop import EagerLoop
from keras_collapse.training.wiring.step_seen import StepSeen
from keras_collapse.training.wiring.update_wiring import UpdateWiring

CHECK_EVERY = 100
"""Training steps between sample checks in a loop, which has no epochs."""
STEPS_TO_STOP = 100
"""Training steps after which a loop that was asked to stop, and never asks, is reported."""


class ManualLoop:
    """Drives a session from a loop; the `LoopObserver` of whatever watches it.

    Args:
        session: the run.
        steps: counts its training steps, over several loops.
        every: training steps between sample checks.
    """

    def __init__(self, session: MonitorSession, steps: StepCounter, every: int) -> None:
        self._session, self._steps, self._every = session, steps, every
        self._stop_step: int | None = None  # the step at which the loop was asked to stop
        self._asks = False
        self._wiring: UpdateWiring | None = None
        self._shown: ShownSamples | None = None
        self._compiled: CompiledLoop | None = None
        self._eager: EagerLoop | None = None

    @property
    def should_stop(self) -> bool:
        """Whether the loop is asked to end."""
        self._asks = True
        return self._stop_step is not None

    def stop(self) -> None:
        """Ask the loop to end after the current step."""
        if self._stop_step is None:
            self._stop_step = self._steps.next_step

    def observe(self, generator: Any, discriminator: Any) -> None:
        """Observe what a loop that calls `update` does with its networks, until `release`."""
        self._wiring = UpdateWiring(generator, discriminator, self)
        self._shown = ShownSamples(generator, discriminator, self)
        self._wiring.start()
        self._shown.start()
        if keras.backend.backend() == "tensorflow":
            self._compiled = CompiledLoop(generator, discriminator, self)
            self._compiled.start()
        elif keras.backend.backend() == "torch":
            self._eager = EagerLoop(generator, discriminator, self)
            self._eager.start()

    def release(self) -> None:
        """Remove all patches."""
        for one in (self._wiring, self._shown, self._compiled, self._eager):
            if one is not None:
                one.stop()

    def finish(self) -> None:
        """End the loop: record its last state and the verdict."""
        if self._steps.next_step % self._every:
            self._session.check_samples(self._steps.next_step - 1)
            self._session.roll_back(self._steps.next_step - 1)
        if self._steps.next_step:
            self._session.fingerprint(self._steps.next_step - 1)
        self._session.finish()

    # -- the observer ------------------------------------------------------------------------

    def guard(self, action: Callable[..., None], *arguments: Any) -> None:
        """See `Observer`."""
        self._session.guard(action, *arguments)

    def report(self, finding: Finding) -> None:
        """See `Observer`."""
        self._session.report(finding)

    def see_first_step(self, seen: StepSeen) -> None:
        """See `Observer`."""
        self._session.see_first_step(seen)

    def see_setting(self, setting: Setting) -> None:
        """See `Observer`."""
        self._session.see_setting(setting)

    def see_batch(self, batch: Any) -> bool:
        """See `Observer`."""
        return self._session.see_batch(batch)

    def see_step(
        self,
        logs: Mapping[str, Any],
        rounding: Mapping[str, float] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> None:
        """See `LoopObserver`."""
        step = self._steps.next_step
        self._steps.next_step = step + 1
        if self._wiring is not None and self._shown is not None:
            self._wiring.after_step(step)
            self.see_setting(Setting(Driver.UPDATE, self._wiring.checked))
            self._shown.after_step()
        if self._compiled is not None:
            self._compiled.after_step(step, logs)
        if self._eager is not None:
            self._eager.after_step(step)
        numbers = {name: float(number) for name, number in logs.items()}
        self._session.see(step, 0, numbers, rounding=rounding, data=data)
        if (step + 1) % self._every == 0:
            self._session.check_samples(step)
            self._session.roll_back(step)
        if self._stop_step is not None and step - self._stop_step >= STEPS_TO_STOP:
            self._warn_unless_it_asks()

    def _warn_unless_it_asks(self) -> None:
        if not self._asks:
            self._asks = True
            warnings.warn(
                'on_failure="stop" asked this loop to stop, and it goes on. In a loop of your own '
                "do: if monitor.should_stop: break",
                stacklevel=2,
            )
