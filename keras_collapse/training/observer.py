"""What the watchers of a training report to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from keras_collapse.core.advice import Setting
from keras_collapse.core.findings import Finding
from keras_collapse.training.wiring.step_seen import StepSeen


class Observer(Protocol):
    """Takes what is seen of a training, between its steps and within them."""

    def guard(self, action: Callable[..., None], *arguments: Any) -> None:
        """Run our part of a training step, so that its error never reaches the training."""

    def report(self, finding: Finding) -> None:
        """Take a finding that rests on no reading, such as a wiring fault."""

    def see_first_step(self, seen: StepSeen) -> None:
        """Take the first training step as it was seen, before its batch."""

    def see_setting(self, setting: Setting) -> None:
        """Take how the run is trained, and what of its wiring was checked by now."""

    def see_batch(self, batch: Any) -> bool:
        """Take a batch of real data, nested arrays or tensors; return whether more are wanted."""


class LoopObserver(Observer, Protocol):
    """Takes the training steps of a loop as well."""

    def see_step(
        self,
        logs: Mapping[str, Any],
        rounding: Mapping[str, float] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> None:
        """Take the numbers of a training step that has ended.

        Args:
            logs: name to number.
            rounding: name to the number's largest error; None if the numbers may be means.
            data: name to hash of the data the step was given.
        """
