"""A generator whose output cannot depend on its label, and some that only seem so at first."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from keras_collapse.training.wiring.step_checks import check_label_reaches
from keras_collapse.training.wiring.step_seen import StepSeen

pytestmark = pytest.mark.backend()

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(32, 4)).astype("float32")
LABELS = RNG.integers(0, 3, (32, 1)).astype("float32")


def generator(use: str) -> keras.Model:
    z, label = keras.Input((4,)), keras.Input((1,))
    embedded = layers.Flatten()(
        layers.Embedding(3, 4, embeddings_initializer="zeros" if use == "zeros" else "uniform")(
            label
        )
    )
    if use == "times zero":
        embedded = layers.Rescaling(0.0)(embedded)
    h = layers.Dense(8, "relu")(layers.Concatenate()([z, embedded] if use != "not" else [z, z]))
    return keras.Model([z, label], layers.Dense(2, "tanh")(h))


def found(use: str) -> list[str]:
    g = generator(use)
    before = [keras.ops.convert_to_numpy(v.value) for v in g.variables]
    seen = StepSeen(g, None, given=[[Z, LABELS]], structure=[0, 0])
    kinds = [finding.kind for finding in check_label_reaches(seen)]
    after = [keras.ops.convert_to_numpy(v.value) for v in g.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    return kinds


def test_a_label_that_cannot_reach_the_output_is_a_finding() -> None:
    assert found("times zero") == ["labels_ignored"]
    assert found("not") == ["labels_ignored"]


def test_a_label_that_reaches_it_is_none_even_through_weights_that_are_zero() -> None:
    assert found("plain") == []
    assert found("zeros") == []
