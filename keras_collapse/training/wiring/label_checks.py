"""Whether a conditional generator's output can depend on its label at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_collapse.core.detectors.lasting.labels_ignored import LabelsIgnored
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe
from keras_collapse.training.networks.label_inputs import under_labels
from keras_collapse.training.networks.preserve_state import preserve_state
from keras_collapse.training.networks.sampling import draw
from keras_collapse.training.wiring.step_seen import StepSeen
from keras_collapse.training.wiring.undone import SEED

SHIFT = 0.1
"""How far weights are moved, times 1/sqrt(inputs of a unit): as far as they lie apart with Keras'
initializers, or less."""


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
