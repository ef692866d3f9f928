"""Further causes than seed and batch size, each as one change to test.

The guide has three (a weak D, learning rates, dropout). Others are changes that any GAN allows from
outside, or that the experiment offers as a parameter, see `parameters`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_collapse.triage.analysis.evidence import Evidence
from keras_collapse.triage.analysis.parameters import settings_to_try
from keras_collapse.triage.options import Value
from keras_collapse.triage.plans import TrialConfig

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
USUAL_BETA = 0.5
"""Adam's β₁ for GANs (Radford et al., 2016); Keras' default is 0.9."""
HIGHEST_BETA = 0.6
USUAL_WEIGHTS = 8.0
"""Largest common ratio of G's number of weights to D's; the guide's GAN has 2.7."""

EXPLAINS = {
    "discriminator_pinned": ("learning_rate_ratio", "weak_discriminator", "dropout", "label_noise",
                             "instance_noise"),
    "discriminator_fooled": ("learning_rate_ratio", "weak_discriminator", "dropout", "label_noise",
                             "instance_noise"),
    "discriminator_dominates": ("learning_rate_ratio", "saturating_loss", "updates_ratio"),
    "stalled": ("learning_rate_ratio", "saturating_loss", "initialization", "dead_relus"),
    "mode_collapse": ("latent_size", "learning_rate_ratio", "normalization", "updates_ratio"),
    "divergence": ("learning_rate_ratio", "initialization", "adam_beta_1", "normalization"),
    "non_convergence": ("adam_beta_1", "learning_rate_ratio"),
}  # fmt: skip
"""Kinds of finding, and the causes that explain them: where most trials show a finding, its causes
are tested before others."""


@dataclass(frozen=True)
class Candidate:
    """A possible cause, and the change that would remove it.

    Args:
        cause: the root cause, if the change fixes the GAN; see `Diagnosis`.
        words: the change in words.
        why: the current setting in words.
        advice: the change as advice.
        changes, params: the change; see `TrialConfig`.
        oddness: how far the setting is from common values; 0 if it is common.
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
                "altered": tuple(self.params),
                "purpose": f"test of {self.words}",
            }
        )


def candidates(
    facts: Mapping[str, Any],
    stronger: Mapping[str, Value],
    kinds: Collection[str] = (),
) -> list[Candidate]:
    """Return the changes that can be tested on this GAN, likeliest first.

    First come changes to unusual settings; among these, and among the others, first the causes of
    what the trials show, then the oddest settings.

    Args:
        facts: settings that a trial recorded: ``d_rate``, ``g_rate``, ``d_dropout``,
            ``init_scale``, ``d_weights``, ``g_weights``, ``d_beta_1``, ``g_beta_1``, and
            ``offers``, the experiment's own parameters with their values.
        stronger: parameters that make its discriminator stronger; empty if none are known.
        kinds: of the findings that most trials show.
    """
    found = [
        *_rates(facts),
        *_dropout(facts),
        *_initialization(facts),
        *_weak(facts, stronger),
        *_momentum(facts),
        *_offered(facts),
    ]
    explained = {cause for kind in kinds for cause in EXPLAINS.get(kind, ())}
    return sorted(
        found, key=lambda one: (one.oddness <= 0, one.cause not in explained, -one.oddness)
    )


def trials_with(evidence: Evidence, candidate: Candidate, batch_size: int) -> Evidence:
    """Select the trials with this change."""
    return evidence.with_change(batch_size, candidate.changes, candidate.params)


def _rates(facts: Mapping[str, Any]) -> list[Candidate]:
    d, g = facts.get("d_rate"), facts.get("g_rate")
    if not d or not g:
        return []
    ratio = d / g
    low, high = USUAL_RATIOS
    options: list[dict[str, float]]
    if low <= ratio <= high:
        odd = 0.0
        options = [{"g_rate": g / RATE_FACTOR}, {"d_rate": d / RATE_FACTOR}]
    else:
        # Which of them is wrong is not known: D's, G's, or both.
        odd = abs(math.log2(ratio / RATIO))
        half = math.sqrt(ratio / RATIO)
        options = [{"d_rate": g * RATIO}, {"g_rate": d / RATIO},
                   {"d_rate": d / half, "g_rate": g * half}]  # fmt: skip
    return [_rate_change(facts, rates, ratio, odd) for rates in options]


def _rate_change(
    facts: Mapping[str, Any], rates: Mapping[str, float], ratio: float, oddness: float
) -> Candidate:
    new = {name: float(f"{rate:.6g}") for name, rate in rates.items()}
    titles = {name: f"{name[0].upper()}'s learning rate" for name in new}
    words = [f"{titles[name]} {facts[name]:.3g} → {new[name]:.3g}" for name in new]
    advice = [f"{titles[name]} to {new[name]:.3g}" for name in new]
    return Candidate(
        "learning_rate_ratio",
        " and ".join(words),
        "D's learning rate is {d_rate:.3g}, G's {g_rate:.3g}".format(**facts)
        + f" (ratio {ratio:.3g})",
        f"Set {' and '.join(advice)}.",
        new,
        oddness=oddness,
    )


def _dropout(facts: Mapping[str, Any]) -> list[Candidate]:
    rate = facts.get("d_dropout")
    if not rate:
        return []
    less = float(f"{rate * DROPOUT_FACTOR:.3g}")
    return [
        Candidate(
            "dropout",
            f"D's dropout rate {rate:g} → {less:g}",
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
            f"initial weights of {scale:.2g} times the usual scale → {INITIALIZER}",
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


def _momentum(facts: Mapping[str, Any]) -> list[Candidate]:
    high = {side: facts.get(f"{side}_beta_1") or 0.0 for side in ("d", "g")}
    if max(high.values()) <= HIGHEST_BETA:
        return []
    words = f"Adam's β₁ {max(high.values()):g} → {USUAL_BETA:g}"
    return [
        Candidate(
            "adam_beta_1",
            words,
            f"Adam's β₁ is {max(high.values()):g}",
            f"Set β₁ of both Adam optimizers to {USUAL_BETA:g}.",
            {"beta_1": USUAL_BETA},
        )
    ]


def _offered(facts: Mapping[str, Any]) -> list[Candidate]:
    return [
        Candidate(
            one.cause,
            f"{one.name} {one.now} → {one.then}",
            f"{one.name} is {one.now}",
            f"Set {one.name} to {one.then}.",
            params={one.name: one.then},
            oddness=one.oddness,
        )
        for one in settings_to_try(facts.get("offers", {}))
    ]
