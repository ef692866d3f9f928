"""The first step of a loop in PyTorch, watched as it is taken: nothing there is compiled."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from keras_collapse.core.advice import Driver, Setting
from keras_collapse.core.guard import guarded
from keras_collapse.training.observer import Observer
from keras_collapse.training.wiring.first_step import not_checked, parts_checked
from keras_collapse.training.wiring.observed_step import listening
from keras_collapse.training.wiring.step_checks import STEP_CHECKS
from keras_collapse.training.wiring.step_seen import StepSeen


class EagerLoop:
    """Checks the first step of a loop, but for the directions of its losses.

    Args:
        generator, discriminator: the networks.
        observer: takes findings, and the step as it was seen.
    """

    def __init__(self, generator: Any, discriminator: Any, observer: Observer) -> None:
        self._seen = StepSeen(generator, discriminator)
        self._observer = observer
        self._listening = contextlib.ExitStack()
        self._on = False

    def start(self) -> None:
        """Observe both networks, until the first step has ended or until `stop`."""
        self._listening.enter_context(listening(self._seen, self._safe))
        self._on = True

    def stop(self) -> None:
        """Observe no more; stopping twice has no effect."""
        self._on = False
        self._listening.close()

    def _safe(self, see: Callable[..., None]) -> Callable[..., None]:
        return functools.partial(guarded, self, see, off=lambda _: self.stop())

    def after_step(self, step: int) -> None:
        """Check the first step, which has just ended."""
        if not self._on:
            return
        self.stop()
        seen = self._seen
        seen.find_shown()
        directions = not_checked("the directions of D's and G's losses: this is a loop in PyTorch")
        found = [finding for check in STEP_CHECKS for finding in check(seen)] + [directions]
        self._observer.see_first_step(seen)
        self._observer.see_setting(Setting(Driver.UPDATE, parts_checked(seen, found)))
        for finding in found:
            self._observer.report(replace(finding, first_step=step, last_step=step))
