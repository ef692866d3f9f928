"""The guide's further causes (weak D, learning rates, dropout), each as one change to test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_collapse.triage.analysis.evidence import Evidence
from keras_collapse.triage.plans import TrialConfig, Value

RATIO = 2.0
"""D's learning rate over G's after the change: two time scales with a faster D (Heusel et al., GANs
trained by a two time-scale update rule, 2017), as in the guide's own notebook."""
USUAL_RATIOS = (1.0, 5.0)
"""Ratios that are common; within them either rate is divided by `RATE_FACTOR`."""
RATE_FACTOR = 4.0
USUAL_DROPOUT = 0.5
"""The largest rate that Srivastava et al. (2014) recommend."""
DROPOUT_FACTOR = 0.25
"""The dropout rate is multiplied by this."""
INITIALIZER = "glorot_uniform"
"""Keras' default (Glorot and Bengio, 2010)."""
MIN_SCALE_LOG2 = 0.5
"""Initial weights are redrawn if their scale differs from that default's by this power of two."""
USUAL_WEIGHTS = 8.0
"""Largest common ratio of G's number of weights to D's; the guide's GAN has 2.7."""


@dataclass(frozen=True)
class Candidate:
    """A possible cause, and the change that would remove it.

    Args:
        cause: the root cause, if the change fixes the GAN; see `Diagnosis`.
        words: the change in words.
        why: the current setting in words.
        advice: the change as advice.
        changes, params: the change; see `TrialConfig`.
        oddness: how far the setting is from common values; 0 if it is common. Changes to the
            oddest settings are tested first.
    """

    cause: str
    words: str
    why: str
    advice: str
    changes: Mapping[str, Value] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)
    oddness: float = 0.0

    def trial(self, base: TrialConfig, seed: int, batch_size: int) -> TrialConfig:
        """Return a trial with the change applied."""
        return base.model_copy(
            update={
                "seed": seed,
                "batch_size": batch_size,
                "repeat": 0,
                "params": {**base.params, **self.params},
                "changes": dict(self.changes),
                "purpose": f"test of {self.words}",
            }
        )


def candidates(facts: Mapping[str, Any], stronger: Mapping[str, Value]) -> list[Candidate]:
    """Return the changes that can be tested on this GAN, oddest setting first.

    Args:
        facts: settings that a trial recorded: ``d_rate``, ``g_rate``, ``d_dropout``,
            ``init_scale``, ``d_weights``, ``g_weights``.
        stronger: parameters that make its discriminator stronger; empty if none are known.
    """
    found = [*_rates(facts), *_dropout(facts), *_initialization(facts), *_weak(facts, stronger)]
    return sorted(found, key=lambda candidate: -candidate.oddness)


def trials_with(evidence: Evidence, candidate: Candidate, batch_size: int) -> Evidence:
    """Select the trials with this change."""
    return evidence.with_change(batch_size, candidate.changes, candidate.params)


def _rates(facts: Mapping[str, Any]) -> list[Candidate]:
    d, g = facts.get("d_rate"), facts.get("g_rate")
    if not d or not g:
        return []
    ratio = d / g
    low, high = USUAL_RATIOS
    if ratio < low or ratio > high:
        options = {"d_rate": g * RATIO, "g_rate": d / RATIO}
    else:
        options = {"g_rate": g / RATE_FACTOR, "d_rate": d / RATE_FACTOR}
    odd = 0.0 if low <= ratio <= high else abs(math.log2(ratio / RATIO))
    return [
        Candidate(
            "learning_rate_ratio",
            f"{name}={rate:.3g}",
            f"D's learning rate is {d:.3g}, G's {g:.3g} (ratio {ratio:.3g})",
            f"Set {'D' if name == 'd_rate' else 'G'}'s learning rate to {rate:.3g}.",
            {name: float(f"{rate:.6g}")},
            oddness=odd,
        )
        for name, rate in options.items()
    ]


def _dropout(facts: Mapping[str, Any]) -> list[Candidate]:
    rate = facts.get("d_dropout")
    if not rate:
        return []
    less = float(f"{rate * DROPOUT_FACTOR:.3g}")
    return [
        Candidate(
            "dropout",
            f"d_dropout={less:g}",
            f"D's dropout rate is {rate:g}",
            f"Lower D's dropout rate from {rate:g} to {less:g}.",
            {"d_dropout": less},
            oddness=max(0.0, 20 * (rate - USUAL_DROPOUT)),
        )
    ]


def _initialization(facts: Mapping[str, Any]) -> list[Candidate]:
    scale = facts.get("init_scale")
    if not scale or abs(math.log2(scale)) < MIN_SCALE_LOG2:
        return []
    return [
        Candidate(
            "initialization",
            f"init={INITIALIZER}",
            f"the initial weights have {scale:.2g} times the scale of {INITIALIZER}",
            f"Initialize the weights with {INITIALIZER}.",
            {"init": INITIALIZER},
            oddness=abs(math.log2(scale)),
        )
    ]


def _weak(facts: Mapping[str, Any], stronger: Mapping[str, Value]) -> list[Candidate]:
    if not stronger:
        return []
    g, d = facts.get("g_weights", 0), facts.get("d_weights", 0)
    words = ", ".join(f"{name}={value}" for name, value in stronger.items())
    return [
        Candidate(
            "weak_discriminator",
            words,
            f"D has {d:.0f} weights, G {g:.0f}",
            f"Make the discriminator stronger: {words}.",
            params=dict(stronger),
            oddness=max(0.0, math.log2(g / d / USUAL_WEIGHTS)) if d and g else 0.0,
        )
    ]
