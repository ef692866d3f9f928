"""What detectors of readings share: blocks, episodes, and what the samples say beside them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from keras_collapse.core.detectors.cross_entropy import CrossEntropy
from keras_collapse.core.detectors.detector import closed
from keras_collapse.core.detectors.episode import Episode
from keras_collapse.core.detectors.looks import bad
from keras_collapse.core.findings import Finding
from keras_collapse.core.probes import Probe
from keras_collapse.core.readings import Blocks, Reading

BLOCK_STEPS = 25
"""Steps in a block: one batch of 64 leaves 6 % of noise in an accuracy, 25 leave 1 %."""
HEALS_AFTER = 100
"""Steps without it after which a condition is over."""


class OnBlocks(ABC):
    """Judges blocks of readings.

    Args:
        row_steps: training steps that one step of the readings stands for at least.

    Attributes:
        form: whether D's loss is a cross-entropy, and in which form.
        samples_bad: what the latest look at G's samples showed; None before one that can tell.
    """

    kind = ""

    def __init__(self, row_steps: int = 1) -> None:
        self.judged = 0
        self.blind = ""
        self.row_steps = row_steps
        self.form = CrossEntropy(row_steps)
        self.samples_bad: bool | None = None
        self._blocks = Blocks(max(BLOCK_STEPS // row_steps, 1))
        self._closed = closed()

    def update(self, reading: Reading) -> None:
        self.form.seen(reading)
        block = self._blocks.add(reading)
        if block is not None:
            self.see(block)

    def look(self, probe: Probe) -> None:
        """Take a probe: what a D is worth depends on the samples beside it."""
        answer = bad(probe)
        self.samples_bad = self.samples_bad if answer is None else answer

    @abstractmethod
    def see(self, block: Reading) -> None:
        """Take the next block."""

    @property
    @abstractmethod
    def findings(self) -> Sequence[Finding]:
        """As in `Detector`."""


class Lasting(OnBlocks):
    """Finds a condition of D that lasts, one episode after another."""

    def __init__(self, row_steps: int = 1) -> None:
        super().__init__(row_steps)
        self._episode: Episode | None = None

    @abstractmethod
    def holds(self, block: Reading) -> bool | None:
        """Whether the condition holds on this block; None where the numbers cannot say."""

    @abstractmethod
    def describe(self, episode: Episode) -> Finding | None:
        """The episode as a finding; None where it is none yet."""

    def see(self, block: Reading) -> None:
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
