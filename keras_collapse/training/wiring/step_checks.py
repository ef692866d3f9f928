"""What the audit checks in one step besides which optimizer updates which network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_collapse.core.advice import BATCH_NORM_ADVICE, Driver, Setting, advice_for
from keras_collapse.core.detectors.lasting.labels_ignored import LabelsIgnored
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe
from keras_collapse.training.hooks.optimizer_calls import D, G
from keras_collapse.training.networks.label_inputs import under_labels
from keras_collapse.training.networks.layers import (
    REACH,
    SLACK,
    batch_norms,
    ends_linear,
    last_activation,
)
from keras_collapse.training.networks.preserve_state import preserve_state
from keras_collapse.training.networks.sampling import draw
from keras_collapse.training.wiring.step_seen import StepSeen, drawn_rows
from keras_collapse.training.wiring.undone import SEED

EXPLODING = 1000.0
"""Gradient norm of a first step from which it counts as exploding: with Keras' initializers norms
are of order 1, with unscaled data in [0, 255] thousands."""
SHIFT = 0.1
"""How far `check_label_reaches` moves weights, times 1/sqrt(inputs of a unit): as far as they lie
apart with Keras' initializers, or less."""


def check_ranges(seen: StepSeen) -> list[Finding]:
    """``range_mismatch``: the data exceed G's range, or use only half of it."""
    activation = last_activation(seen.generator)
    if activation not in REACH:
        return []
    low, high = REACH[activation]
    real = seen.real_values(low - SLACK, high + SLACK)
    if real is None or real.size == 0:
        return []
    least, most = float(real.min()), float(real.max())
    evidence = {
        "generator_activation": activation,
        "data_min": round(least, 4),
        "data_max": round(most, 4),
    }
    if least < low - SLACK or most > high + SLACK:
        return [_range(Severity.FAILED, "contains values that G's {0} cannot reach", evidence)]
    if activation == "tanh" and least >= -SLACK and most > SLACK:
        return [_range(Severity.WARNING, "uses only half of the range of G's {0}", evidence)]
    return []


def _range(severity: Severity, what: str, evidence: dict[str, Any]) -> Finding:
    words = what.format(evidence["generator_activation"])
    span = f"[{evidence['data_min']:g}, {evidence['data_max']:g}]"
    return Finding(
        "range_mismatch",
        severity,
        0,
        0,
        f"The data that D is shown lie in {span}, which {words}: D can separate real from fake by "
        "scale.",
        evidence,
        (
            "Scale the data to G's range: x / 127.5 - 1 for tanh, x / 255 for sigmoid, from "
            "bytes; 2 * x - 1 for tanh from [0, 1].",
        ),
    )


def check_losses(seen: StepSeen) -> list[Finding]:
    """``loss_activation_mismatch``: a sigmoid with from_logits=True, or none with False."""
    for loss, predictions in seen.losses:
        from_logits = getattr(loss, "from_logits", None) or loss.get_config().get("from_logits")
        if from_logits is None or predictions.size == 0:
            continue
        probabilities = last_activation(seen.discriminator) in ("sigmoid", "softmax")
        outside = predictions.min() < 0 or predictions.max() > 1 or ends_linear(seen.discriminator)
        if (from_logits and probabilities) or (not from_logits and outside):
            return [_loss_mismatch(bool(from_logits), last_activation(seen.discriminator))]
    return []


def _loss_mismatch(from_logits: bool, activation: str | None) -> Finding:
    if from_logits:
        what = "D ends in a sigmoid and the loss takes logits: the sigmoid is applied twice"
        cure = "Set from_logits=False, or remove D's sigmoid."
    else:
        what = "D ends without a sigmoid and the loss takes probabilities: gradients are clipped"
        cure = "Set from_logits=True, or end D in a sigmoid."
    return Finding(
        "loss_activation_mismatch",
        Severity.FAILED,
        0,
        0,
        f"{what}.",
        {"from_logits": from_logits, "discriminator_activation": activation or "none"},
        (cure,),
    )


def check_mixed_batch_norm(seen: StepSeen) -> list[Finding]:
    """``mixed_batchnorm`` (Chintala et al., How to Train a GAN, 2016, hint 4).

    Frozen batch norm (``trainable = False``) is ignored.
    """
    shown = [x for x in seen.shown if x is not None]
    if not batch_norms(seen.discriminator) or not any(_is_mixed(x, seen.drawn) for x in shown):
        return []
    return [
        Finding(
            "mixed_batchnorm",
            Severity.WARNING,
            0,
            0,
            "D has batch norm and is shown real and fake samples in one batch: their common "
            "statistics reveal which is which.",
            {"batches": [len(x) for x in shown]},
            ("Call D on real and on fake samples separately, or use LayerNormalization.",),
        )
    ]


def check_dead_batch_norm(seen: StepSeen) -> list[Finding]:
    """``dead_batchnorm``: the step runs a network's batch norm in inference mode."""
    found = []
    for name, network in ((G, seen.generator), (D, seen.discriminator)):
        norms, modes = batch_norms(network), seen.modes[name]
        if norms and modes and not any(modes):
            found.append(
                Finding(
                    "dead_batchnorm",
                    Severity.WARNING,
                    0,
                    0,
                    f"The training step runs the {name}'s batch norm in inference mode: it "
                    "normalises by its initial statistics, mean 0 and variance 1.",
                    {"network": name, "layers": len(norms)},
                    (f"Call it with training=True in train_step: self.{name}(x, training=True).",),
                )
            )
    return found


def check_batch_norm_mismatch(seen: StepSeen) -> list[Finding]:
    """``batchnorm_mismatch``: D scores G's samples by other statistics in G's step than in its own.

    Keras runs batch norm in inference mode while it is frozen. Then some of G's samples are only
    ever scored in inference mode, and others by their batch's statistics.
    """
    by_batch: list[np.ndarray] = []
    by_average: list[np.ndarray] = []
    for x, fake, mode in zip(seen.shown, seen.fake, seen.modes[D], strict=False):
        # The statistics of a batch of both kinds are much like the moving averages.
        if x is not None and fake is not None and fake.all() and mode is not None:
            (by_batch if mode else by_average).append(x)
    trained_on = {row.tobytes() for x in by_batch for row in x}
    other = [x for x in by_average if not any(row.tobytes() in trained_on for row in x)]
    if not by_batch or not other:
        return []
    return [batch_norm_mismatch(0, {"calls_by_batch": len(by_batch), "calls_by_average": 1})]


def batch_norm_mismatch(
    step: int, evidence: Mapping[str, Any], driver: Driver = Driver.FIT
) -> Finding:
    """The finding that D's batch norm has two modes in one step."""
    return Finding(
        "batchnorm_mismatch",
        Severity.WARNING,
        step,
        step,
        "D's batch norm uses its batch's statistics in D's step, and its moving averages in G's "
        "step: G is trained against another D than the one that learns.",
        evidence,
        advice_for(BATCH_NORM_ADVICE, Setting(driver)),
    )


def check_gradients(seen: StepSeen) -> list[Finding]:
    """``exploding_gradient``: a gradient that is not finite, or is far too large."""
    for update in seen.updates:
        for name, size in update.measured.items():
            if not np.isfinite(size) or size > EXPLODING:
                return [
                    Finding(
                        "exploding_gradient",
                        Severity.WARNING if np.isfinite(size) else Severity.FAILED,
                        0,
                        0,
                        f"The {name}'s gradient has a norm of {size:.3g} in this step.",
                        {"network": name, "norm": float(size)},
                        (
                            "Check the data's scale, and the losses for a logarithm of zero.",
                            "Clip gradients (optimizer argument clipnorm) or lower the rate.",
                        ),
                    )
                ]
    return []


def check_label_reaches(seen: StepSeen) -> list[Finding]:
    """``labels_ignored``: with other weights, too, G's samples are the same under every label.

    G's weights are moved at random and put back: a layer that begins with zeros, as conditional
    normalisation often does, lets the label through as soon as it is trained.

    Args:
        seen: a step whose networks have values, as those of JAX within a fit have not.
    """
    parts: Sequence[Any] = seen.given[-1] if seen.given else ()
    if not parts or any(part is None for part in parts):
        return []
    labelled = under_labels(keras.tree.pack_sequence_as(seen.structure, list(parts)))
    if labelled is None:
        return []
    count, inputs = labelled
    with preserve_state(seen.generator.variables):
        rng = np.random.default_rng(SEED)
        for weight in seen.generator.trainable_variables:
            shape = tuple(weight.shape)
            size = SHIFT / np.sqrt(max(np.prod(shape[:-1], dtype=float), 1.0))
            old = np.asarray(keras.ops.convert_to_numpy(weight.value))
            weight.assign((old + size * rng.standard_normal(shape)).astype(old.dtype))
        samples = draw(seen.generator, inputs)
    of_label = samples.reshape(count, len(samples) // count, -1)
    same = (of_label == of_label[0]).all() and np.isfinite(of_label).all()
    if not same or (of_label == of_label[:, :1]).all():
        return []
    found = LabelsIgnored().describe(Probe(0, {"label_effect": 0.0}))
    return [replace(found, severity=Severity.FAILED)]


STEP_CHECKS: Sequence[Callable[[StepSeen], list[Finding]]] = (
    check_ranges,
    check_losses,
    check_mixed_batch_norm,
    check_dead_batch_norm,
    check_batch_norm_mismatch,
)
"""The checks of one step. The audit checks its gradients as well; in a fit the losses show those
that are not finite, as ``divergence``."""
SHOWN_CHECKS: Sequence[Callable[[StepSeen], list[Finding]]] = (
    check_ranges,
    check_losses,
    check_mixed_batch_norm,
)
"""The checks that need only D's inputs and G's outputs."""


def _is_mixed(shown: np.ndarray, drawn: Sequence[np.ndarray]) -> bool:
    fake = drawn_rows(shown, drawn)
    return bool(fake.any() and not fake.all())
