"""D's scores, replaced in a training step that is taken to measure something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_collapse.training.hooks.method_patch import MethodPatch
from keras_collapse.training.networks.keras_internals import sublayers
from keras_collapse.training.networks.layers import last_activation
from keras_collapse.training.wiring.step_seen import StepSeen

BASES = {True: (0.3, 0.7), False: (-0.5, 0.5)}
"""The scores that replace D's outputs, if they are probabilities or not. A direction counts if it
is the same at both: no base lies beyond both of two targets (0 and 1, -1 and 1), so for correct
least squares the directions on real and on fake samples differ at one base at least."""
FAINT = 1e-3
"""What `fakes_alone` leaves of the gradients of other scores: with none at all, that of a gradient
penalty would be infinite."""

Shift = tuple[float, float, float]
"""The base score, and what is added on real and on fake samples."""


class NotMeasured(Exception):
    """Something cannot be measured in this step; the message says why."""


def place_of_score(seen: StepSeen) -> int:
    """The place of D's score among its outputs.

    Raises:
        NotMeasured: D has several outputs or one that is no score, or is not shown any fakes.
    """
    scores = [i for i, shape in enumerate(seen.score_shapes) if not shape or shape[-1] == 1]
    if len(scores) != 1:
        raise NotMeasured("D has several scores, or classes as its output")
    shape = seen.score_shapes[scores[0]]
    if any(x is not None and x.shape[1:] == shape for x in seen.shown):
        raise NotMeasured("D's output is a sample, as an autoencoder's is")
    if not any(rows is not None and rows.any() for rows in seen.fake):
        raise NotMeasured("D was not shown any of G's samples as they are")
    return scores[0]


def gives_probabilities(seen: StepSeen) -> bool:
    """Whether D's score is a probability; of several outputs, that of a single sigmoid."""
    if len(seen.score_shapes) == 1:
        return last_activation(seen.discriminator) == "sigmoid"
    return any(
        getattr(getattr(layer, "activation", None), "__name__", "") == "sigmoid"
        and getattr(layer, "units", 1) == 1
        for layer in sublayers(seen.discriminator)
    )


def shifted(seen: StepSeen, place: int, shift: Shift) -> MethodPatch:
    """Replace D's scores by one number, with something added on real or on fake samples."""
    base, on_real, on_fake = shift

    def score(unmoved: Any, are_fake: np.ndarray | None) -> Any:
        added = 0.0 if are_fake is None else keras.ops.where(are_fake, on_fake, on_real)
        return unmoved + keras.ops.cast(base + added, unmoved.dtype)

    return _replaced(seen, place, score)


def fakes_alone(seen: StepSeen, place: int, base: float) -> MethodPatch:
    """Replace D's scores by one number, through which only those of fakes have gradients."""

    def score(unmoved: Any, are_fake: np.ndarray | None) -> Any:
        share = FAINT if are_fake is None else keras.ops.where(are_fake, 1.0, FAINT)
        return unmoved * keras.ops.cast(share, unmoved.dtype) + base

    return _replaced(seen, place, score)


def _replaced(
    seen: StepSeen, place: int, score: Callable[[Any, np.ndarray | None], Any]
) -> MethodPatch:
    """Replace D's scores in a step by ``score(unmoved, are_fake)``.

    ``unmoved`` is zero, with the gradient of D's own score, since a gradient penalty on a constant
    would be infinite. ``are_fake`` has its dimensions; None where it is not known.
    """
    calls = iter(seen.fake)

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = original(inputs, *args, **kwargs)
            flat = keras.tree.flatten(outputs)
            given, rows = flat[place], next(calls, None)
            are_fake = None
            if rows is not None and len(rows) == len(given):
                are_fake = rows.reshape(-1, *[1] * (len(given.shape) - 1))
            flat[place] = score(given - keras.ops.stop_gradient(given), are_fake)
            return keras.tree.pack_sequence_as(outputs, flat)

        return call

    return MethodPatch(seen.discriminator, "call", make)
