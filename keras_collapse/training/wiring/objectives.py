"""The direction in which D's and G's losses push D's scores, measured by controlled steps.

Whatever the objective (cross-entropy, least squares, hinge, Wasserstein), D's loss must push the
scores of real and fake samples apart, and G's loss must push those of fakes in the opposite
direction to D's. Both can be measured without knowing the step: D's outputs are replaced by one
score for everything, then those on real or on fake samples only are raised a little, and the
changes of the reported losses are their slopes.
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
"""How far scores are raised: little compared with two targets' distance, much with float32."""
BASES = {True: (0.3, 0.7), False: (-0.5, 0.5)}
"""The scores that replace D's outputs, if they are probabilities or not. A direction counts if it
is the same at both: no base lies beyond both of two targets (0 and 1, -1 and 1), so for correct
least squares the directions on real and on fake samples differ at one base at least."""
INDIFFERENT = 1e-3
"""Slope of a loss below which it has no direction: float32 leaves 1e-5 of noise."""

Shift = tuple[float, float, float]
"""The base score, and what is added on real and on fake samples."""


@dataclass(frozen=True, slots=True)
class Slopes:
    """Slopes of the losses in D's scores at one base score; negative pushes the score up.

    Args:
        d_real, d_fake: of D's loss, in the score on real and on fake samples.
        g_fake: of G's loss, in the score on fakes.
    """

    d_real: float
    d_fake: float
    g_fake: float


def ask(
    step: Callable[[], Mapping[str, float]], discriminator: Any, fake: Sequence[np.ndarray | None]
) -> list[Slopes]:
    """Take the same step with shifted scores and measure the slopes of its losses.

    Args:
        step: takes the training step, undoes it, and returns its log.
        discriminator: the network.
        fake: for each call of D in that step which samples are G's, bool (batch,); None unknown.

    Returns:
        The slopes at each of two base scores, or at the first only if they are right there. Empty
        if they cannot be measured: unknown names of losses, a D with several outputs or with
        images or classes as output, a step that fails on other scores.
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
                except Exception:  # with other scores the step fails: no evidence
                    return []
        if not all(logs):
            return []
        middle, real, made = logs
        found.append(
            Slopes(
                (real["d_loss"] - middle["d_loss"]) / NUDGE,
                (made["d_loss"] - middle["d_loss"]) / NUDGE,
                (made["g_loss"] - middle["g_loss"]) / NUDGE,
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


def _losses(logs: Mapping[str, float]) -> dict[str, float]:
    """D's and G's loss; empty if one is missing or not finite."""
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
    """Replace D's outputs by one score, with something added on real or on fake samples."""
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
