"""D's loss oscillates without settling, or G's samples turn good and bad again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from keras_collapse.core.advice import IN_A_LOOP, IN_A_STEP, Line
from keras_collapse.core.detectors.persistent_condition import BLOCK_STEPS, BlockDetector
from keras_collapse.core.detectors.sample_quality import bad
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

WINDOW = 1000
"""Steps over which oscillations are measured."""
SWING = 0.15
"""Standard deviation of D's mean cross-entropy over a window, in blocks of 25 steps, that counts
as oscillating: twice the largest of any healthy run of the benchmark's part for choosing."""
TURNS = 6
"""Times the loss must cross its own mean in a window: a drift or one jump does not count."""
FAIL_AFTER = 1000
"""Steps of oscillation before "failed", and only if G's samples are bad as well: GANs circle around
their equilibrium (Mescheder et al., 2018), good ones too."""
RELAPSES = 3
"""Times that good samples must turn bad within `MEMORY` steps for a finding."""
MEMORY = 3000

_ADVICE = (
    "Lower both learning rates, or Adam's beta_1 to 0.5 or 0 (Radford et al., 2016).",
    Line("Penalize D's gradient on real samples (R1, Mescheder et al., 2018).", IN_A_STEP),
    Line("Limit D's slope: keras.layers.SpectralNormalization (Miyato et al., 2018).", IN_A_LOOP),
    "Keep a moving average of G's weights and sample with it (Yazici et al., 2019).",
)


class NonConvergence(BlockDetector):
    """Finds ``non_convergence``, from oscillations of D's cross-entropy or relapses of the samples.

    Losses of other objectives have no common scale: there only the samples count.

    >>> detector = NonConvergence()
    >>> for step in range(3000):
    ...     detector.update(Reading(step, 1, {"d_loss": 0.7 + 0.2 * (-1) ** (step // 100)}))
    >>> [(f.severity.value, f.first_step) for f in detector.findings]
    [('warning', 0)]
    """

    kind = "non_convergence"

    def __init__(self, row_steps: int = 1) -> None:
        super().__init__(row_steps)
        self._losses: deque[float] = deque(maxlen=WINDOW // BLOCK_STEPS)
        self._swinging: Finding | None = None
        self._relapses: deque[int] = deque(maxlen=RELAPSES)
        self._recurring: Finding | None = None

    def update_block(self, block: Reading) -> None:
        self.steps_assessed += block.steps
        loss = self.form.normalised(block)
        if loss is None:
            return
        self._losses.append(loss)
        if len(self._losses) < WINDOW // BLOCK_STEPS:
            return
        deviation, turns = swing(self._losses)
        window = self.input.block_steps * len(self._losses)  # in steps of the readings
        found = None
        if deviation >= SWING and turns >= TURNS:
            first = self._swinging.first_step if self._swinging else block.step + 1 - window
            lasted = (block.step + 1 - first - window) * self.row_steps
            failed = lasted >= FAIL_AFTER and self.samples_bad is True
            evidence = {
                "d_loss_deviation": round(deviation, 4),
                "turns": turns,
                "steps": window * self.row_steps,
            }
            found = Finding(
                kind=self.kind,
                severity=Severity.FAILED if failed else Severity.WARNING,
                first_step=max(first, 0),
                last_step=block.step,
                message=f"D's loss oscillates by {deviation:.2f} around its mean and does not "
                "settle.",
                evidence=evidence,
                advice=_ADVICE,
            )
        self._swinging = self._follow(self._swinging, found)

    def update_probe(self, probe: Probe) -> None:
        """Take a probe: samples that were good and are bad again are a relapse."""
        before = self.samples_bad
        super().update_probe(probe)
        if bad(probe) is None:
            return
        if self.samples_bad and before is False:
            self._relapses.append(probe.step)
        times, found = len(self._relapses), None
        if times == RELAPSES and probe.step - self._relapses[0] <= MEMORY:
            found = Finding(
                kind=self.kind,
                severity=Severity.WARNING,
                first_step=self._recurring.first_step if self._recurring else self._relapses[0],
                last_step=probe.step,
                message=f"G's samples do not stay good: they turned bad {times} times within "
                f"{MEMORY} steps.",
                evidence={"relapses": times, "steps": MEMORY},
                advice=_ADVICE,
            )
        self._recurring = self._follow(self._recurring, found)

    def _follow(self, before: Finding | None, now: Finding | None) -> Finding | None:
        """The current finding; the one before, if it no longer holds, is resolved."""
        if before is not None and now is None:
            self._closed.append(replace(before, resolved=True))
        return now

    @property
    def findings(self) -> Sequence[Finding]:
        current = (self._recurring, self._swinging)
        return [*self._closed, *(one for one in current if one is not None)]


def swing(losses: Sequence[float]) -> tuple[float, int]:
    """The standard deviation of some losses, and how often they cross their mean.

    >>> swing([1.0, 0.0, 1.0, 0.0])
    (0.5, 3)
    """
    mean = sum(losses) / len(losses)
    above = [loss > mean for loss in losses]
    turns = sum([now != before for before, now in pairwise(above)])
    variance = sum([(loss - mean) ** 2 for loss in losses]) / len(losses)
    return float(variance**0.5), turns
