"""Synthetic logs: known numbers of single batches, averaged and rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

from keras_collapse.core.readings.reading import SignalRow

Batches = Mapping[str, Sequence[float]]


def batches(
    seed: int, steps: int, drift: float = 0.02, noise: float = 0.03
) -> dict[str, np.ndarray]:
    """Losses that wander and accuracies that scatter, as a GAN's do: signal to (steps,)."""
    rng = np.random.default_rng(seed)
    trend = np.cumsum(rng.normal(0, drift, steps))
    return {
        "d_loss": np.abs(0.69 + trend + rng.normal(0, noise, steps)),
        "g_loss": np.abs(1.0 + 2 * trend + rng.normal(0, 2 * noise, steps)),
        "d_acc": np.clip(0.6 + rng.normal(0, 0.06, steps), 0, 1),
    }


def averaged(
    numbers: Batches, kind: str, decimals: int | None = None, epoch_steps: int | None = None
) -> list[SignalRow]:
    """Rows as a log of this averaging would hold them."""
    steps = len(next(iter(numbers.values())))
    epochs = [step // epoch_steps if epoch_steps else None for step in range(steps)]
    groups = {"run": [list(range(steps))], "batch": [[step] for step in range(steps)]}.get(kind)
    if groups is None:
        groups = [list(g) for _, g in groupby(range(steps), key=lambda step: epochs[step])]
    means: dict[str, np.ndarray] = {}
    for signal, values in numbers.items():
        parts = [np.asarray(values)[group] for group in groups]
        means[signal] = np.concatenate([np.cumsum(p) / np.arange(1, len(p) + 1) for p in parts])
    error = 0.5 * 10.0**-decimals if decimals else 1e-9
    return [
        SignalRow(
            step,
            {
                s: round(float(v[step]), decimals) if decimals else float(v[step])
                for s, v in means.items()
            },
            dict.fromkeys(means, error),
            epochs[step],
        )
        for step in range(steps)
    ]
