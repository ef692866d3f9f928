"""From Keras' batches to training steps: sorted, and counted over epochs and fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keras_collapse.core.errors import InputError


def check_every(every: object) -> None:
    """Check a callback's argument that says how often something is done.

    Raises:
        InputError: it is not ``"epoch"``, ``"batch"`` or a positive number.
    """
    is_number = isinstance(every, int) and not isinstance(every, bool) and every > 0
    if not (every in ("epoch", "batch") or is_number):
        raise InputError(
            f'every must be "epoch", "batch" or a number of steps. Received: {every!r}'
        )


class StepCounter:
    """Sorts the batches of a ``fit`` and computes the training step that each one ends with.

    Keras may report batches from threads, out of order, and numbers them anew in each epoch; with
    several steps per execution it reports only the last batch of each execution.

    Attributes:
        next_step: the training step after the latest one, 0-based.
        epoch: the current epoch, counted over all fits; -1 before the first.
        epoch_start: its first step.
        steps_per_execution: training steps that one batch hook stands for.

    >>> counter = StepCounter()
    >>> counter.begin_fit(steps_per_execution=1, steps_per_epoch=2)
    >>> counter.begin_epoch(0)
    >>> [step for step, _ in counter.add(1, {})], [step for step, _ in counter.add(0, {})]
    ([], [0, 1])
    """

    def __init__(self) -> None:
        self.next_step = 0
        self.epoch = -1
        self.epoch_start = 0
        self.steps_per_execution = 1
        self._steps_per_epoch: int | None = None
        self._waiting: dict[int, Mapping[str, Any]] = {}
        self._next_batch = 0

    def begin_fit(self, steps_per_execution: int, steps_per_epoch: int | None) -> None:
        """Begin a fit; ``steps_per_epoch`` is None if unknown."""
        self.steps_per_execution = steps_per_execution
        self._steps_per_epoch = steps_per_epoch

    def begin_epoch(self, epoch: int) -> None:
        """Begin an epoch, numbered as Keras does: from ``initial_epoch``."""
        if self.epoch < 0 and epoch > 0 and self._steps_per_epoch:
            self.next_step = epoch * self._steps_per_epoch  # a resumed run
        self.epoch += 1
        self.epoch_start = self.next_step
        self._next_batch = self.steps_per_execution - 1
        self._waiting.clear()

    def is_new(self, batch: int) -> bool:
        """Whether a batch of this epoch was not added yet."""
        return batch >= self._next_batch and batch not in self._waiting

    def add(self, batch: int, logs: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Take a batch's log; yield the logs that are next in order, with their training steps."""
        self._waiting[batch] = logs
        # With several steps per execution, an epoch of unknown length may end within one: whether
        # an execution is complete shows only when another follows.
        ahead = self.steps_per_execution if self._length_unknown else 0
        while self._next_batch in self._waiting and self._next_batch + ahead in self._waiting:
            yield self._count(self._next_batch)
            self._next_batch += self.steps_per_execution

    def end_epoch(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the logs still waiting, except that of an execution that may be incomplete."""
        if not self._length_unknown:
            for batch in sorted(self._waiting):
                yield self._count(batch)

    @property
    def _length_unknown(self) -> bool:
        return self.steps_per_execution > 1 and not self._steps_per_epoch

    def _count(self, batch: int) -> tuple[int, Mapping[str, Any]]:
        logs = self._waiting.pop(batch)
        known = self._steps_per_epoch
        step = self.epoch_start + (min(batch, known - 1) if known else batch)
        self.next_step = step + 1
        return step, logs


def plain_numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """The entries of a log that are numbers, as floats."""
    return {key: float(v) for key, v in logs.items() if isinstance(v, int | float)}
