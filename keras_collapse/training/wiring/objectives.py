"""The direction in which D's and G's losses push D's scores, measured by controlled steps.

Whatever the objective (cross-entropy, least squares, hinge, Wasserstein), D's loss must push the
scores of real and fake samples apart, and G's loss must push those of fakes in the opposite
direction to D's. Both can be measured without knowing the step: D's outputs are replaced by one
score for everything, then those on real or on fake samples only are raised a little, and the
changes of the reported losses are their slopes.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.signals import recognise_names
from keras_collapse.training.hooks.method_patch import MethodPatch
from keras_collapse.training.networks.keras_internals import sublayers
from keras_collapse.training.networks.layers import last_activation
from keras_collapse.training.wiring.observed_step import TakeStep

NUDGE = 0.1
"""How far scores are raised: little compared with two targets' distance, much with float32."""
BASES = {True: (0.3, 0.7), False: (-0.5, 0.5)}
"""The scores that replace D's outputs, if they are probabilities or not. A direction counts if it
is the same at both: no base lies beyond both of two targets (0 and 1, -1 and 1), so for correct
least squares the directions on real and on fake samples differ at one base at least."""
INDIFFERENT = 1e-3
"""Slope of a loss below which it has no direction: float32 leaves 1e-5 of noise."""

STEPS = 3
"""Steps that the first base needs, which is all where nothing is wrong."""

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


class NotMeasured(Exception):
    """The directions of the losses cannot be measured; the message says why."""


def measure(
    step: TakeStep,
    discriminator: Any,
    fake: Sequence[np.ndarray | None],
    seconds: float = float("inf"),
) -> list[Slopes]:
    """Take the same step with shifted scores and measure the slopes of its losses.

    Args:
        step: takes the training step, changed, undoes it, and returns its log.
        discriminator: the network.
        fake: for each call of D in that step which samples are G's, bool (batch,); None unknown.
        seconds: the CPU time that this may take.

    Returns:
        The slopes at each of two base scores, or at the first only if they are right there.

    Raises:
        NotMeasured: the names of the losses are unknown, D has several outputs or one that is no
            score, the step fails on other scores, or takes too long.
    """
    place = _score_among(discriminator.output_shape)
    if discriminator.output_shape == discriminator.input_shape:
        raise NotMeasured("D's output is a sample, as an autoencoder's is")
    if not any(rows is not None and rows.any() for rows in fake):
        raise NotMeasured("D was not shown any of G's samples as they are")
    changed, began = functools.partial(_shifted, discriminator, fake, place), time.process_time()
    found: list[Slopes] = []
    for base in BASES[_gives_probabilities(discriminator)]:
        logs: list[Mapping[str, float]] = []
        for shift in ((base, 0.0, 0.0), (base, NUDGE, 0.0), (base, 0.0, NUDGE)):
            passed = time.process_time() - began
            if passed >= seconds or (len(logs) == 1 and STEPS * passed > seconds):
                raise NotMeasured("the step takes too long; run keras-collapse audit")
            try:
                logs.append(step(changed, shift))
            except Exception as error:
                raise NotMeasured(
                    f"the step fails on other scores ({type(error).__name__})"
                ) from None
        middle, real, made = map(_losses, logs)
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
    """D's and G's loss; raises `NotMeasured` if one is missing or not finite."""
    try:
        keys = recognise_names(logs).keys
    except InputError:
        keys = {}
    losses = {name: float(logs[keys[name]]) for name in ("d_loss", "g_loss") if name in keys}
    halves = ("d_loss_real", "d_loss_fake")
    if "d_loss" not in losses and all(half in keys for half in halves):
        losses["d_loss"] = sum(float(logs[keys[half]]) for half in halves)
    if len(losses) < 2:
        raise NotMeasured(f"D's and G's loss are not known among {', '.join(logs) or 'none'}")
    if not np.all(np.isfinite(list(losses.values()))):
        raise NotMeasured("the losses of one score for everything are not finite")
    return losses


def _gives_probabilities(discriminator: Any) -> bool:
    """Whether D's score is a probability; of several outputs, that of a single sigmoid."""
    if isinstance(discriminator.output_shape, tuple) and len(discriminator.outputs) == 1:
        return last_activation(discriminator) == "sigmoid"
    return any(
        getattr(getattr(layer, "activation", None), "__name__", "") == "sigmoid"
        and getattr(layer, "units", 1) == 1
        for layer in sublayers(discriminator)
    )


def _score_among(shapes: Any) -> int:
    """The place of the score among D's outputs: the only one with a single channel."""
    flat = (
        [shapes]
        if isinstance(shapes, tuple) and None in shapes[:1]
        else list(shapes.values() if isinstance(shapes, dict) else shapes)
    )
    scores = [place for place, one in enumerate(flat) if len(one) == 1 or one[-1] == 1]
    if len(scores) != 1:
        raise NotMeasured("D has several scores, or classes as its output")
    return scores[0]


def _shifted(
    discriminator: Any, fake: Sequence[np.ndarray | None], place: int, shift: Shift
) -> MethodPatch:
    """Replace D's outputs by one score, with something added on real or on fake samples."""
    base, on_real, on_fake = shift
    calls = iter(fake)

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = original(inputs, *args, **kwargs)
            flat = keras.tree.flatten(outputs)
            scores, are_fake = flat[place], next(calls, None)
            added = keras.ops.zeros(len(scores))
            if are_fake is not None and len(are_fake) == len(scores):
                added = keras.ops.where(are_fake, on_fake, on_real)
            added = keras.ops.reshape(added, (-1, *[1] * (len(scores.shape) - 1)))
            # D's own gradient stays: a gradient penalty on a constant would be infinite.
            unmoved = scores - keras.ops.stop_gradient(scores)
            flat[place] = unmoved + keras.ops.cast(base + added, scores.dtype)
            return keras.tree.pack_sequence_as(outputs, flat)

        return call

    return MethodPatch(discriminator, "call", make)
