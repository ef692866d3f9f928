"""Private parts of Keras and TensorFlow: found as they are today, and done without if they move."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest
from tiny import tiny_gan

from keras_collapse.training.networks.keras_internals import (
    forget_global_seed_generator,
    global_seed_generator,
    has_rate_schedule,
    optimizer_targets,
    pipeline_stages,
    sublayers,
    tensorflow_generator,
)
from keras_collapse.training.networks.sampling import draw

pytestmark = [pytest.mark.backend(), pytest.mark.oldest_keras]


def test_the_global_generator_is_found_and_forgotten() -> None:
    keras.utils.set_random_seed(3)
    keras.random.normal((1,))
    assert global_seed_generator() is not None
    forget_global_seed_generator()
    assert global_seed_generator() is None


def test_without_global_state_nothing_is_found_and_samples_are_still_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "keras.src.random.seed_generator", None)
    monkeypatch.setitem(sys.modules, "tensorflow.python.eager", None)
    assert global_seed_generator() is None
    assert tensorflow_generator() is None
    forget_global_seed_generator()
    samples = draw(tiny_gan().generator, np.zeros((3, 4), "float32"))
    assert samples.shape == (3, 2)


def test_nested_layers_are_listed_with_and_without_keras_own_list() -> None:
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])
    network = keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(1)])
    assert any(isinstance(layer, keras.layers.Dropout) for layer in sublayers(network))
    assert sublayers(None) == []

    class Other:
        layers = (1, 2)

    assert sublayers(Other()) == [1, 2]


def test_a_rate_schedule_is_told_from_a_number() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    assert has_rate_schedule(keras.optimizers.Adam(schedule))
    assert not has_rate_schedule(keras.optimizers.Adam(0.1))
    assert not has_rate_schedule(object())


def test_an_optimizer_names_its_variables() -> None:
    gan = tiny_gan()
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build(gan.generator.trainable_variables)
    assert len(optimizer_targets(optimizer)) == len(gan.generator.trainable_variables)
    assert optimizer_targets(object()) == []


@pytest.mark.backend("tensorflow")
def test_a_pipelines_stages_are_listed_down_to_its_tensors() -> None:
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(np.zeros((4, 2))).shuffle(4).batch(2)
    kinds = [kind for kind, _ in pipeline_stages(data)]
    assert kinds == ["Batch", "Shuffle", "TensorSlice"]
    *_, (_, tensors) = pipeline_stages(data)
    assert tensors is not None
    assert tensors[0].shape == (4, 2)


def test_what_is_no_pipeline_has_no_stages() -> None:
    assert list(pipeline_stages(np.zeros(3))) == []
