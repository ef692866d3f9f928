"""Base classes of detectors of readings: blocks, and conditions that last for a while."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

from keras_collapse.core.detectors.base import closed
from keras_collapse.core.detectors.sample_quality import bad
from keras_collapse.core.findings import Finding
from keras_collapse.core.readings.columns import Columns
from keras_collapse.core.readings.objective import CrossEntropy
from keras_collapse.core.readings.reading import Blocks, Reading, merge
from keras_collapse.core.samples.probe import Probe

BLOCK_STEPS = 25
"""Steps in a block. One batch of 64 has 6 % of noise in an accuracy; 25 batches have 1 %."""
HEALS_AFTER = 100
"""Steps without the condition after which an episode is over."""
MOST_PARTS = 96
"""Parts of an episode that are kept, an even number; when there are as many, neighbours are merged.
"""


class BlockInput:
    """What detectors of blocks have in common, so that one of them computes it for all.

    Args:
        row_steps: see `BlockDetector`.

    Attributes:
        form: whether D's loss is a cross-entropy, and in which form.
        block_steps: steps of the readings in a block, at least.
        parts: the readings of the latest block.
    """

    def __init__(self, row_steps: int = 1) -> None:
        self.row_steps = row_steps
        self.form = CrossEntropy(row_steps)
        self.block_steps = max(BLOCK_STEPS // row_steps, 1)
        self._blocks = Blocks(self.block_steps)
        self._latest: Reading | None = None
        self._block: Reading | None = None
        self._whole: Columns | None = None  # the latest block, if it was taken in whole

    @property
    def parts(self) -> Sequence[Reading]:
        return self._whole if self._whole is not None else self._blocks.parts

    def take(self, reading: Reading) -> Reading | None:
        """Return the block that a reading completes, else None; the same for each detector."""
        if reading is not self._latest:
            self._latest, self._whole = reading, None
            self.form.update(reading)
            self._block = self._blocks.add(reading)
        return self._block

    def take_columns(self, columns: Columns) -> Iterator[Reading]:
        """Return the blocks that these readings complete, as `take` does of each."""
        at, count = 0, self.block_steps
        while at < len(columns):
            whole = not self._blocks.is_open and at + count <= len(columns)
            if whole and (self.form.is_decided or "d_loss" not in columns.values):
                self._whole = columns[at : at + count]
                at += count
                yield self._whole.mean()
            else:
                block = self.take(columns[at])
                at += 1
                if block is not None:
                    yield block


class BlockDetector(ABC):
    """Assesses blocks of readings.

    Args:
        row_steps: the least number of training steps that one step of the readings stands for.

    Attributes:
        input: the blocks, which detectors that see the same readings may share.
        samples_bad: whether the latest sample check was bad; None before a decisive one.
        readings_alone: whether nobody compares samples with the data, as behind a log.
    """

    kind = ""

    def __init__(self, row_steps: int = 1) -> None:
        self.steps_assessed = 0
        self.unavailable_reason = ""
        self.row_steps = row_steps
        self.input = BlockInput(row_steps)
        self.samples_bad: bool | None = None
        self.readings_alone = False
        self._closed = closed()

    @property
    def form(self) -> CrossEntropy:
        """Whether D's loss is a cross-entropy, and in which form."""
        return self.input.form

    @final
    def update(self, reading: Reading) -> None:
        if (block := self.input.take(reading)) is not None:
            self.update_block(block)

    def update_probe(self, probe: Probe) -> None:
        """Take a probe: how a D is to be rated depends on G's samples."""
        answer = bad(probe)
        self.samples_bad = self.samples_bad if answer is None else answer

    @abstractmethod
    def update_block(self, block: Reading) -> None:
        """Assess the next block."""

    @property
    @abstractmethod
    def findings(self) -> Sequence[Finding]:
        """See `Detector`."""


class PersistentCondition(BlockDetector):
    """Finds a condition of D that persists, one episode after another."""

    def __init__(self, row_steps: int = 1) -> None:
        super().__init__(row_steps)
        self._episode: Episode | None = None

    @abstractmethod
    def holds(self, block: Reading) -> bool | None:
        """Whether the condition holds on this block; None if the numbers cannot tell."""

    @abstractmethod
    def describe(self, episode: Episode) -> Finding | None:
        """The finding of an episode; None if it is too short to be one."""

    def update_block(self, block: Reading) -> None:
        holds = self.holds(block)
        if self._episode is None:
            if not holds:
                return
            self._episode = Episode(max(HEALS_AFTER // self.row_steps, 1))
        self._episode.add(block, holds)
        if self._episode.over:
            finding = self.describe(self._episode)
            self._closed.extend([finding] if finding else [])
            self._episode = None

    @property
    def findings(self) -> Sequence[Finding]:
        current = self.describe(self._episode) if self._episode else None
        return [*self._closed, current] if current else list(self._closed)


@dataclass(slots=True)
class Episode:
    """Consecutive blocks on which a condition held, in constant memory.

    Args:
        heals_after: training steps without the condition after which the episode is over.

    Attributes:
        last_step: the last step on which it held.
        first: the first block on which it held; None before one.
        latest: the latest block, whether it held there or not.
        mean: the mean of the blocks on which it held.
        parts: these blocks in order, in a long episode merged with their neighbours.
        over: whether the episode has ended.
    """

    heals_after: int
    last_step: int = 0
    first: Reading | None = None
    latest: Reading | None = None
    mean: Reading | None = None
    parts: list[Reading] = field(default_factory=list)
    over: bool = False
    _without: int = 0

    def add(self, block: Reading, holds: bool | None) -> None:
        """Take the next block; ``None`` (undecided) neither extends nor ends the episode."""
        self.latest = block
        if holds:
            self.first = self.first or block
            self.mean = block if self.mean is None else merge([self.mean, block])
            self._keep(block)
            self.last_step = block.step
            self._without = 0
        elif holds is False and self.mean is not None:
            self._without += block.steps
            self.over = self._without >= self.heals_after

    def _keep(self, block: Reading) -> None:
        """Append a block to the parts, all of which but the last are equally long."""
        if self.parts and self.parts[-1].steps < self.parts[0].steps:
            self.parts[-1] = merge([self.parts[-1], block])
        else:
            self.parts.append(block)
        if len(self.parts) == MOST_PARTS and self.parts[-1].steps >= self.parts[0].steps:
            self.parts = [merge(self.parts[i : i + 2]) for i in range(0, MOST_PARTS, 2)]

    @property
    def first_step(self) -> int:
        """The first training step on which the condition held."""
        return self.first.first_step if self.first else 0

    @property
    def lasted(self) -> int:
        """The number of training steps on which the condition held."""
        return self.mean.steps if self.mean else 0
