"""The guide's other named causes, each as one change that would cure it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_collapse.triage.analysis.evidence import Evidence
from keras_collapse.triage.plans import Trial, Value

RATIO = 2.0
"""D's learning rate over G's that is brought about: two time-scales with D the faster (Heusel et
al., GANs trained by a two time-scale update rule, 2017), as in the guide's own notebook."""
USUAL_RATIOS = (1.0, 5.0)
"""Ratios within which there is nothing odd: there both rates are tried four times apart."""
APART = 4.0
USUAL_DROPOUT = 0.5
"""Srivastava et al., 2014, advise no more."""
LESS_DROPOUT = 0.25
"""What is left of the dropout."""
INITIALIZER = "glorot_uniform"
"""Keras' own default (Glorot and Bengio, 2010)."""
LEAST_OCTAVES = 0.5
"""How far, as a power of two, initial weights must be from that one's to draw them anew."""
USUAL_WEIGHTS = 8.0
"""Weights of G for each of D's, up to which D is not odd: the guide's G has 2.7 times D's."""


@dataclass(frozen=True)
class Candidate:
    """A cause that may be at work, and the change that would take it away.

    Args:
        cause: one of DESIGN's words.
        changes, params: what is changed; see `Trial`.
        why: how the setting stands now.
        words: the change in words.
        advice: the same as advice.
        oddness: how far the setting is from what is usual; 0 within it. Odd ones are tried first.
    """

    cause: str
    words: str
    why: str
    advice: str
    changes: Mapping[str, Value] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)
    oddness: float = 0.0

    def trial(self, base: Trial, seed: int, batch_size: int) -> Trial:
        """A trial with the change made."""
        return base.model_copy(
            update={
                "seed": seed,
                "batch_size": batch_size,
                "repeat": 0,
                "params": {**base.params, **self.params},
                "changes": dict(self.changes),
                "purpose": f"would {self.words} cure it?",
            }
        )


def candidates(facts: Mapping[str, Any], stronger: Mapping[str, Value]) -> list[Candidate]:
    """What can be tried on this GAN, oddest first.

    Args:
        facts: what a trial found of it: ``d_rate``, ``g_rate``, ``d_dropout``, ``init_scale``,
            ``d_weights``, ``g_weights``.
        stronger: parameters that make its discriminator stronger; empty where none are known.
    """
    found = [*_rates(facts), *_dropout(facts), *_initialization(facts), *_weak(facts, stronger)]
    return sorted(found, key=lambda candidate: -candidate.oddness)


def tried(evidence: Evidence, candidate: Candidate, batch_size: int) -> Evidence:
    """The trials with this change."""
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
        options = {"g_rate": g / APART, "d_rate": d / APART}
    odd = 0.0 if low <= ratio <= high else abs(math.log2(ratio / RATIO))
    return [
        Candidate(
            "learning_rate_ratio",
            f"{name}={rate:.3g}",
            f"D's learning rate {d:.3g}, G's {g:.3g}: a ratio of {ratio:.3g}",
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
    less = float(f"{rate * LESS_DROPOUT:.3g}")
    return [
        Candidate(
            "dropout",
            f"d_dropout={less:g}",
            f"D's dropout {rate:g}",
            f"Lower D's dropout from {rate:g} to {less:g}.",
            {"d_dropout": less},
            oddness=max(0.0, 20 * (rate - USUAL_DROPOUT)),
        )
    ]


def _initialization(facts: Mapping[str, Any]) -> list[Candidate]:
    scale = facts.get("init_scale")
    if not scale or abs(math.log2(scale)) < LEAST_OCTAVES:
        return []
    return [
        Candidate(
            "initialization",
            f"init={INITIALIZER}",
            f"initial weights {scale:.2g} times Glorot's",
            f"Draw the initial weights from {INITIALIZER}.",
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
