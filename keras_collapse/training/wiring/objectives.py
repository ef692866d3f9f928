"""The direction in which D's and G's losses push D's scores, measured by controlled steps.

Whatever the objective (cross-entropy, least squares, hinge, Wasserstein), D's loss must push the
scores of real and fake samples apart, and G's loss must push those of fakes in the opposite
direction to D's. Both can be measured without knowing the step: D's outputs are replaced by one
score for everything, then those on real or on fake samples only are raised a little, and the
changes of the reported losses are their slopes.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.signals import recognise_names
from keras_collapse.training.wiring.observed_step import TakeStep
from keras_collapse.training.wiring.replaced_scores import (
    BASES,
    NotMeasured,
    gives_probabilities,
    place_of_score,
    shifted,
)
from keras_collapse.training.wiring.step_seen import StepSeen

NUDGE = 0.1
"""How far scores are raised: little compared with two targets' distance, much with float32."""
INDIFFERENT = 1e-3
"""Slope of a loss below which it has no direction: float32 leaves 1e-5 of noise."""

SMOOTHED = 0.08
"""Relative difference from a cross-entropy that labels such as 0.9 make."""
NOISE = 0.02
"""Difference between the losses of the same step taken twice, from which its random draws differ,
as of a generator that cannot be restored; slopes of 1 change them by 0.1."""


@dataclass(frozen=True, slots=True)
class Slopes:
    """Slopes of the losses in D's scores at one base score; negative pushes the score up.

    Args:
        base: the base score.
        d_loss: D's loss at it.
        d_real, d_fake: of D's loss, in the score on real and on fake samples.
        g_fake: of G's loss, in the score on fakes.
    """

    d_real: float
    d_fake: float
    g_fake: float
    base: float = 0.0
    d_loss: float = float("nan")


def measure(step: TakeStep, seen: StepSeen, seconds: float = float("inf")) -> list[Slopes]:
    """Take the same step with shifted scores and measure the slopes of its losses.

    Args:
        step: takes the training step, changed, undoes it, and returns its log.
        seen: the step as it is.
        seconds: the CPU time that this may take.

    Returns:
        The slopes at each of two base scores, or at the first only if they are right there.

    Raises:
        NotMeasured: the names of the losses are unknown, D has several outputs or one that is no
            score, the step fails on other scores, or takes too long.
    """
    place = place_of_score(seen)
    probabilities = gives_probabilities(seen)
    changed, began = functools.partial(shifted, seen, place), time.process_time()
    found: list[Slopes] = []
    latest = 0.0
    for base in BASES[probabilities]:
        logs: list[Mapping[str, float]] = []
        shifts = [(base, 0.0, 0.0), (base, NUDGE, 0.0), (base, 0.0, NUDGE)]
        for shift in shifts if found else [shifts[0], *shifts]:
            passed = time.process_time() - began
            # The second step shows how long two more take; the first may have been compiled.
            more = 2 * latest if not found and len(logs) == 2 else 0.0
            if passed >= seconds or passed + more > seconds:
                raise NotMeasured("the step takes too long; run keras-collapse audit")
            try:
                logs.append(_with_sum(step(changed, shift)))
            except Exception as error:
                raise NotMeasured(
                    f"the step fails on other scores ({type(error).__name__})"
                ) from None
            latest = time.process_time() - began - passed
        *again, middle, real, made = logs
        d_loss, g_loss = losses_among(middle, real, made)
        if any(abs(one[name] - middle[name]) > NOISE for one in again for name in (d_loss, g_loss)):
            raise NotMeasured("the step draws other random numbers each time")
        found.append(
            Slopes(
                (real[d_loss] - middle[d_loss]) / NUDGE,
                (made[d_loss] - middle[d_loss]) / NUDGE,
                (made[g_loss] - middle[g_loss]) / NUDGE,
                base,
                middle[d_loss],
            )
        )
        if not judge(found):
            break
    return found


def judge(slopes: Sequence[Slopes]) -> list[Finding]:
    """``discriminator_objective`` and ``generator_objective``: losses with a wrong direction.

    >>> [f.kind for f in judge([Slopes(-2.0, -2.0, -1.0), Slopes(-1.0, -1.0, -1.0)])]
    ['discriminator_objective']
    >>> [f.kind for f in judge([Slopes(-3.0, -1.0, -3.0), Slopes(-1.0, 1.0, -1.0)])]
    []
    """
    if not slopes:
        return []
    evidence = {
        name: [round(getattr(w, slope), 4) for w in slopes]
        for name, slope in (
            ("d_loss_slope_in_real_score", "d_real"),
            ("d_loss_slope_in_fake_score", "d_fake"),
            ("g_loss_slope_in_fake_score", "g_fake"),
        )
    }
    if all(_same(w.d_real, w.d_fake) for w in slopes):
        return [wrong_objective("discriminator_objective", 0, evidence)]
    if all(_same(w.d_fake, w.g_fake) for w in slopes):
        return [wrong_objective("generator_objective", 0, evidence)]
    return []


def scale_of(slopes: Sequence[Slopes], probabilities: bool) -> float | None:
    """The factor from D's loss to a mean cross-entropy, by its value where every score is one.

    Args:
        slopes: as measured.
        probabilities: whether scores are probabilities; else they are logits.

    Returns:
        1 for a mean of D's losses on real and fake samples, 1/2 for their sum; None if D's loss is
        neither.

    >>> scale_of([Slopes(0, 0, 0, base=0.3, d_loss=-math.log(0.3) - math.log(0.7))], True)
    0.5
    """
    for one in slopes[:1]:
        p = one.base if probabilities else 1 / (1 + math.exp(-one.base))
        mean = -(math.log(p) + math.log(1 - p)) / 2
        for scale in (1.0, 0.5):
            if abs(one.d_loss * scale / mean - 1) < SMOOTHED:
                return scale
    return None


_WORDS = {
    "discriminator_objective": (
        "D's loss pushes the scores of real and of fake samples in the same direction: D does not "
        "learn to separate them.",
        (
            "Use one label for real and the other for fake: ones for real, zeros for fake; in "
            "Wasserstein or hinge form check the sign of each half.",
        ),
    ),
    "generator_objective": (
        "G's loss pushes the scores of its samples in the same direction as D's loss: G is trained "
        "to be recognised.",
        (
            "In G's loss give fakes the label of real samples (ones), or in Wasserstein form use "
            "-mean(D(fake)).",
        ),
    ),
}


def wrong_objective(kind: str, step: int, evidence: Mapping[str, Any]) -> Finding:
    """The finding of a loss with a wrong direction."""
    message, advice = _WORDS[kind]
    return Finding(kind, Severity.FAILED, step, step, message, evidence, advice)


def _same(a: float, b: float) -> bool:
    return min(abs(a), abs(b)) > INDIFFERENT and a * b > 0


def losses_among(
    middle: Mapping[str, float], real: Mapping[str, float], made: Mapping[str, float]
) -> tuple[str, str]:
    """The names of D's and of G's loss in a log, by their words or by what they react to.

    Only D's loss depends on the scores of real samples; G's depends on those of fakes alone.

    Args:
        middle: the log of a step in which D's score is the same for everything.
        real, made: those of the same step with other scores on real and on fake samples.

    Raises:
        NotMeasured: one of them is not found, or not finite.

    >>> log = {"perceptual": 1.0, "judge": 1.0, "pixels": 3.0}
    >>> losses_among(log, log | {"judge": 0.8}, log | {"judge": 1.2, "perceptual": 0.9})
    ('judge', 'perceptual')
    """
    keys = _keys(middle)
    slopes = {
        name: ((real[name] - middle[name]) / NUDGE, (made[name] - middle[name]) / NUDGE)
        for name in middle.keys() - keys.values()
    }
    of_d = [name for name, (on_real, _) in slopes.items() if abs(on_real) > INDIFFERENT]
    of_fake = [name for name, (_, on_fake) in slopes.items() if abs(on_fake) > INDIFFERENT]
    of_both = [name for name in of_d if name in of_fake]
    of_g = [name for name in of_fake if name not in of_d]
    d_loss = keys.get("d_loss") or _only(of_both) or _only(of_d)
    g_loss = keys.get("g_loss") or _only(of_g)
    if d_loss is None or g_loss is None:
        raise NotMeasured(f"D's and G's loss are not known among {', '.join(middle) or 'none'}")
    if not all(np.isfinite(log[name]) for log in (middle, real, made) for name in (d_loss, g_loss)):
        raise NotMeasured("the losses of one score for everything are not finite")
    return d_loss, g_loss


def _with_sum(log: Mapping[str, float]) -> Mapping[str, float]:
    """A log with D's loss, where only its losses on real and on fake samples are logged."""
    keys = _keys(log)
    halves = [keys[name] for name in ("d_loss_real", "d_loss_fake") if name in keys]
    if "d_loss" in keys or len(halves) < 2:
        return log
    return {**log, "d_loss": sum(float(log[name]) for name in halves)}


def _keys(log: Mapping[str, float]) -> Mapping[str, str]:
    try:
        return recognise_names(log).keys
    except InputError:
        return {}


def _only(names: Sequence[str]) -> str | None:
    return names[0] if len(names) == 1 else None
