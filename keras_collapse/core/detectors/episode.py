"""An episode: a condition that holds long enough to matter, and may end again."""

from __future__ import annotations

from dataclasses import dataclass

from keras_collapse.core.readings import Reading, merge


@dataclass(slots=True)
class Episode:
    """Consecutive blocks on which a condition held; memory does not grow with its length.

    Args:
        heals_after: training steps without the condition after which the episode is over.

    Attributes:
        first: the first block on which it held; None before one.
        latest: the latest block, whether it held there or not.
        mean: of those on which it held.
    """

    heals_after: int
    last_step: int = 0
    first: Reading | None = None
    latest: Reading | None = None
    mean: Reading | None = None
    over: bool = False
    _without: int = 0

    def add(self, block: Reading, holds: bool | None) -> None:
        """Take the next block; ``None`` (cannot say) neither extends nor ends the episode."""
        self.latest = block
        if holds:
            self.first = self.first or block
            self.mean = block if self.mean is None else merge([self.mean, block])
            self.last_step = block.step
            self._without = 0
        elif holds is False and self.mean is not None:
            self._without += block.steps
            self.over = self._without >= self.heals_after

    @property
    def first_step(self) -> int:
        """The first training step on which the condition held."""
        return self.first.first_step if self.first else 0

    @property
    def lasted(self) -> int:
        """Training steps on which the condition held."""
        return self.mean.steps if self.mean else 0
