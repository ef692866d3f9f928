"""What people use today, by its published rules, scored beside ours. Each gives its first alarm."""

from __future__ import annotations

import math
from itertools import pairwise

from zoo import Run

from keras_collapse.core.detectors.discriminator_pinned import (
    D_ACC_BAND,
    D_LOSS_BAND,
    G_ACC_BAND,
)
from keras_collapse.core.readings.reading import Blocks, Reading

EPOCH = 50
"""Steps of an epoch, for rules that are stated in epochs: a run has sixty."""


def guide(run: Run) -> int | None:
    """The triage guide's three bands, taken at their word, on means of 25 steps."""
    bands = {"d_loss": D_LOSS_BAND, "d_acc": D_ACC_BAND, "g_acc": G_ACC_BAND}
    blocks = Blocks(25)
    for reading in run.read():
        block = blocks.add(reading)
        if block is None:
            continue
        known = {name: block.get(name) for name in bands}
        if all(v is not None and bands[n][0] <= v <= bands[n][1] for n, v in known.items()):
            return block.step + 1
    return None


def early_stopping(run: Run, signal: str = "g_loss", patience: int = 10) -> int | None:
    """Keras' EarlyStopping on one loss, with its usual patience of ten epochs."""
    best, waited = float("inf"), 0
    for block in _epochs(run):
        loss = block.values[signal]
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited >= patience:
            return block.step + 1
    return None


SAVED = 500
"""Steps between the losses that SageMaker Debugger saves by default."""
NUM_STEPS = 10


def sagemaker(run: Run) -> int | None:
    """SageMaker Debugger's LossNotDecreasing and ExplodingTensor, at their defaults.

    Amazon SageMaker Developer Guide, "LossNotDecreasing Rule": a saved loss is compared with the
    one at least `num_steps` (10) before; it must have decreased, by any amount where
    `diff_percent` is not given. Either network's loss sets it off. ExplodingTensor: not finite.
    """
    saved: list[Reading] = []
    for reading in run.read():
        if not all(map(math.isfinite, reading.values.values())):
            return reading.step + 1
        if (reading.step + 1) % max(SAVED, NUM_STEPS) == 0:
            saved.append(reading)
            for loss in ("d_loss", "g_loss") if len(saved) > 1 else ():
                if saved[-1].values[loss] >= saved[-2].values[loss]:
                    return reading.step + 1
    return None


ZETA, ETA, DELTA, THETA = 0.03, 0.2, 0.01, 0.7
"""AUTOTRAINER's published parameters (Zhang, Zhai, Ma & Shen, ICSE 2021, and the authors' code):
swing of the accuracy and share of the epochs in which it swings, rise of the accuracy within an
epoch, satisfying accuracy."""
FROM = 0.3
"""Share of the epochs from which it judges the losses."""
HUGE = 1e5


def autotrainer(run: Run) -> int | None:
    """AUTOTRAINER's rules on the training history, with D as the classifier it is.

    Its rules on gradients (vanishing, exploding, dying ReLU) need every gradient of every layer,
    which the records do not hold: only NaN, slow convergence and oscillating loss are scored.
    """
    epochs: list[Reading] = []
    for block in _epochs(run):
        epochs.append(block)
        loss, acc = block.values["d_loss"], [b.get("d_acc") for b in epochs]
        if not math.isfinite(loss) or loss >= HUGE:
            return block.step + 1
        if len(epochs) < FROM * _count(run) or None in acc:
            continue
        known = [a for a in acc if a is not None]
        slow = max(after - before for before, after in pairwise(known)) < DELTA
        unconverged = max(known) < THETA or slow
        if slow or (not unconverged and _oscillates(known)):
            return block.step + 1
    return None


def _oscillates(acc: list[float]) -> bool:
    tops, bottoms = [], []
    for before, now, after in zip(acc, acc[1:], acc[2:], strict=False):
        if now >= before and now >= after:
            tops.append(now)
        if now <= before and now <= after:
            bottoms.append(now)
    swings = sum(top - bottom >= ZETA for top, bottom in zip(tops, bottoms, strict=False))
    return swings >= ETA * len(acc)


def _count(run: Run) -> int:
    return int(run.program["steps"]) // EPOCH


def _epochs(run: Run) -> list[Reading]:
    blocks = Blocks(EPOCH)
    found = (blocks.add(reading) for reading in run.read())
    return [block for block in found if block is not None]
