"""An experiment's own parameters that are known by their names, and the values to try instead."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from keras_collapse.triage.options import Value

USUAL_LATENT = 32
"""Numbers in a latent from which it is no likely cause; DCGAN has 100 (Radford et al., 2016)."""
USUAL_NOISE = 0.1
"""Share of changed labels, or their smoothing, up to which it is common (Salimans et al., 2016)."""
USUAL_UPDATES = 5
"""Most steps of D for each of G that are common (Arjovsky et al., 2017)."""


class Setting(NamedTuple):
    """A parameter of the experiment, and another value for it.

    Args:
        cause: the root cause, if that value fixes the GAN.
        name: of the parameter.
        now, then: its value, and the one to try.
        oddness: see `Candidate`.
    """

    cause: str
    name: str
    now: Value
    then: Value
    oddness: float


def _latent(value: Value) -> tuple[Value, float] | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < USUAL_LATENT:
        return None
    return max(4 * value, USUAL_LATENT), math.log2(USUAL_LATENT / value)


def _none_of(value: Value) -> tuple[Value, float] | None:
    if isinstance(value, bool):
        return (False, 1.0) if value else None
    if not isinstance(value, int | float) or value <= 0:
        return None
    return type(value)(0), max(0.0, 10 * (value - USUAL_NOISE))


def _updates(value: Value) -> tuple[Value, float] | None:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 1:
        return None
    return 1, max(0.0, math.log2(value / USUAL_UPDATES))


def _switch(then: bool, oddness: float = 0.0) -> Callable[[Value], tuple[Value, float] | None]:
    return lambda value: (then, oddness) if isinstance(value, bool) and value is not then else None


def _beta(value: Value) -> tuple[Value, float] | None:
    return (0.5, 0.0) if isinstance(value, float) and 0.6 < value < 1 else None


def _leak(value: Value) -> tuple[Value, float] | None:
    if isinstance(value, str):
        return ("leaky_relu", 0.0) if value == "relu" else None
    if isinstance(value, bool):
        return None if value else (True, 0.0)
    return (0.2, 0.0) if value == 0 else None


KNOWN: tuple[tuple[str, str, Callable[[Value], tuple[Value, float] | None]], ...] = (
    (r"(latent|z|noise|codings?)_?(dim|size)s?|latent", "latent_size", _latent),
    (
        r"(one_sided_|label_)?smooth(ing)?|label_(noise|flip\w*)|flip_labels",
        "label_noise",
        _none_of,
    ),
    (r"(instance_|input_)?noise(_std(dev)?|_level)?", "instance_noise", _none_of),
    (r"saturating(_loss)?", "saturating_loss", _switch(False, 3.0)),
    (r"non_?saturating(_loss)?", "saturating_loss", _switch(True, 3.0)),
    (
        r"n_critic|(d|g|critic|disc\w*|gen\w*)_(steps|iters|updates|extra_steps)",
        "updates_ratio",
        _updates,
    ),
    (r"(adam_)?beta_?1|(d|g)_beta_?1|momentum_decay", "adam_beta_1", _beta),
    (r"(d_)?(spectral_norm\w*|batch_?norm\w*|layer_?norm\w*)", "normalization", _switch(True)),
    (r"(diff_?)?augment(ation)?", "augmentation", _none_of),
    (r"leaky|(d_|g_)?activation|negative_slope|alpha", "dead_relus", _leak),
)
"""Patterns of names, the cause, and what gives another value and how odd this one is."""


def settings_to_try(offers: Mapping[str, Value]) -> list[Setting]:
    """Return the parameters whose name is known and whose value could be the cause.

    >>> settings_to_try({"latent_dim": 4, "width": 64, "label_smoothing": 0.4})
    ... # doctest: +NORMALIZE_WHITESPACE
    [Setting(cause='latent_size', name='latent_dim', now=4, then=32, oddness=3.0),
     Setting(cause='label_noise', name='label_smoothing', now=0.4, then=0.0, oddness=3.0)]
    """
    found = []
    for name, value in offers.items():
        for pattern, cause, other in KNOWN:
            if re.fullmatch(pattern, name):
                change = other(value)
                if change is not None:
                    found.append(Setting(cause, name, value, change[0], round(change[1], 3)))
                break
    return found
