"""What D's and G's losses ask of D's scores, found by controlled steps: labels, signs, targets.

Whatever the objective (cross-entropy, least squares, hinge, Wasserstein), D's loss must want the
scores of real and of fake samples to move apart, and G's loss must want those of fakes to move
against D's wish. Both are seen without reading a line of the step: D's answers are replaced by
one score for everything, then those on real or on fake samples alone are raised a little, and the
losses that the step reports say which way they want them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.signals import recognise_names
from keras_collapse.training.hooks.method_patch import MethodPatch
from keras_collapse.training.networks.layers import last_activation

NUDGE = 0.1
"""How far scores are raised: little beside the distance of two targets, much beside float32."""
BASES = {True: (0.3, 0.7), False: (-0.5, 0.5)}
"""The scores that D is made to give everything, as probabilities or as numbers. A wish counts
where it is the same at both: no base lies beyond both of two targets (0 and 1, -1 and 1), so what
least squares truly asks of real and of fake samples differs at one base at least."""
INDIFFERENT = 1e-3
"""Slope of a loss below which it does not ask for anything: float32 leaves 1e-5 of noise."""

Shift = tuple[float, float, float]
"""The score of everything, and how much is added on real and on fake samples."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Slopes of the losses in D's scores, at one score for everything; negative: raise it.

    Args:
        d_real, d_fake: of D's loss, in the score on real and on fake samples.
        g_fake: of G's loss, in the score on fakes.
    """

    d_real: float
    d_fake: float
    g_fake: float


def ask(
    step: Callable[[], Mapping[str, float]], discriminator: Any, fake: Sequence[np.ndarray | None]
) -> list[Wishes]:
    """Take the same step with shifted scores and see what its losses make of that.

    Args:
        step: takes the training step, puts everything back, and returns its log.
        discriminator: the network.
        fake: for each call of D in that step which samples are G's, bool (batch,); None unknown.

    Returns:
        The wishes at each of two scores, or at the first alone where they are right there. Empty
        where the step does not tell: losses under unknown names, a D with several outputs or one
        that returns images or classes, a step that fails on other scores.
    """
    shape = discriminator.output_shape
    scores = isinstance(shape, tuple) and (len(shape) == 1 or shape[-1] == 1)
    if not scores or not fake or shape == discriminator.input_shape:
        return []
    found = []
    for base in BASES[last_activation(discriminator) == "sigmoid"]:
        logs = []
        for shift in ((base, 0.0, 0.0), (base, NUDGE, 0.0), (base, 0.0, NUDGE)):
            with _shifted(discriminator, fake, shift):
                try:
                    logs.append(_losses(step()))
                except Exception:  # a step that does not bear other scores says nothing
                    return []
        if not all(logs):
            return []
        middle, real, made = logs
        found.append(
            Wishes(
                (real["d_loss"] - middle["d_loss"]) / NUDGE,
                (made["d_loss"] - middle["d_loss"]) / NUDGE,
                (made["g_loss"] - middle["g_loss"]) / NUDGE,
            )
        )
        if not judge(found):
            break
    return found


def judge(wishes: Sequence[Wishes]) -> list[Finding]:
    """``discriminator_objective`` and ``generator_objective``: losses that ask for the wrong thing.

    >>> [f.kind for f in judge([Wishes(-2.0, -2.0, -1.0), Wishes(-1.0, -1.0, -1.0)])]
    ['discriminator_objective']
    >>> [f.kind for f in judge([Wishes(-3.0, -1.0, -3.0), Wishes(-1.0, 1.0, -1.0)])]
    []
    """
    if not wishes:
        return []
    evidence = {
        name: [round(getattr(w, slope), 4) for w in wishes]
        for name, slope in (
            ("d_loss_slope_in_real_score", "d_real"),
            ("d_loss_slope_in_fake_score", "d_fake"),
            ("g_loss_slope_in_fake_score", "g_fake"),
        )
    }
    if all(_same(w.d_real, w.d_fake) for w in wishes):
        return [wrong_objective("discriminator_objective", 0, evidence)]
    if all(_same(w.d_fake, w.g_fake) for w in wishes):
        return [wrong_objective("generator_objective", 0, evidence)]
    return []


_WORDS = {
    "discriminator_objective": (
        "D's loss asks for the same score on real and on fake samples: it is not taught to tell "
        "them apart.",
        (
            "Use one label for real and the other for fake: ones for real, zeros for fake; in "
            "Wasserstein or hinge form check the sign of each half.",
        ),
    ),
    "generator_objective": (
        "G's loss asks D to call its samples fake, as D's loss does: G is trained to be caught.",
        (
            "In G's loss give fakes the label of real samples (ones), or in Wasserstein form use "
            "-mean(D(fake)).",
        ),
    ),
}


def wrong_objective(kind: str, step: int, evidence: Mapping[str, Any]) -> Finding:
    """The finding for a loss that asks for the wrong thing."""
    message, advice = _WORDS[kind]
    return Finding(kind, Severity.FAILED, step, step, message, evidence, advice)


def _same(a: float, b: float) -> bool:
    return min(abs(a), abs(b)) > INDIFFERENT and a * b > 0


def _losses(logs: Mapping[str, float]) -> dict[str, float]:
    """D's and G's loss, or nothing."""
    try:
        keys = recognise_names(logs).keys
    except InputError:
        return {}
    losses = {name: float(logs[keys[name]]) for name in ("d_loss", "g_loss") if name in keys}
    halves = ("d_loss_real", "d_loss_fake")
    if "d_loss" not in losses and all(half in keys for half in halves):
        losses["d_loss"] = sum(float(logs[keys[half]]) for half in halves)
    return losses if len(losses) == 2 and np.all(np.isfinite(list(losses.values()))) else {}


def _shifted(discriminator: Any, fake: Sequence[np.ndarray | None], shift: Shift) -> MethodPatch:
    """Let D give one score to everything, with something added on real or on fake samples."""
    base, on_real, on_fake = shift
    calls = iter(fake)

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            scores = original(inputs, *args, **kwargs)
            are_fake = next(calls, None)
            added = np.zeros(len(scores), "float32")
            if are_fake is not None and len(are_fake) == len(scores):
                added = np.where(are_fake, on_fake, on_real).astype("float32")
            added = added.reshape(-1, *[1] * (len(scores.shape) - 1))
            return keras.ops.zeros_like(scores) * scores + keras.ops.cast(
                base + added, scores.dtype
            )

        return call

    return MethodPatch(discriminator, "call", make)
