"""Changes that triage makes to a GAN as its fit begins: they take effect on every backend."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from tiny import ring, tiny_gan

from keras_collapse.core.errors import InputError
from keras_collapse.triage.trial.interventions import Changes, optimizers_by_side, settings_of

pytestmark = pytest.mark.backend()


def trained(changes: dict[str, Any]) -> tuple[Any, list[np.ndarray], list[np.ndarray]]:
    keras.utils.set_random_seed(1)
    gan = tiny_gan()
    weights = [keras.ops.convert_to_numpy(v) for v in gan.discriminator.trainable_variables]
    gan.fit(ring(128), batch_size=64, epochs=1, verbose=0, callbacks=[Changes(changes, 1)])
    after = [keras.ops.convert_to_numpy(v) for v in gan.discriminator.trainable_variables]
    return gan, weights, after


def test_settings_are_found_as_they_stand() -> None:
    found = settings_of(tiny_gan(d_rate=2e-3, g_rate=5e-4))
    assert found["d_rate"] == pytest.approx(2e-3)
    assert found["g_rate"] == pytest.approx(5e-4)
    assert found["d_dropout"] == pytest.approx(0.3)
    assert found["d_weights"] == 2 * 16 + 16 + 16 + 1
    assert 0.5 < found["init_scale"] < 2  # Keras' own initializer is Glorot's


def test_a_rate_of_zero_stops_that_network_only() -> None:
    gan, before, after = trained({"d_rate": 0.0})
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert float(optimizers_by_side(gan)["g"].learning_rate) == pytest.approx(1e-3)


def test_both_rates_are_scaled() -> None:
    gan, _, _ = trained({"rates_factor": 0.25})
    rates = [float(one.learning_rate) for one in optimizers_by_side(gan).values()]
    assert rates == pytest.approx([2.5e-4, 2.5e-4])


def test_the_dropout_is_another_while_training() -> None:
    usual, (gan, _, more) = trained({})[2], trained({"d_dropout": 0.9})
    assert not all(np.array_equal(a, b) for a, b in zip(usual, more, strict=True))
    assert settings_of(gan)["d_dropout"] == pytest.approx(0.9)


def test_weights_are_drawn_anew_and_the_same_for_a_seed() -> None:
    kernels = [trained({"init": "orthogonal", "d_rate": 0.0})[2][0] for _ in range(2)]
    assert np.array_equal(*kernels)
    assert np.allclose(kernels[0] @ kernels[0].T, np.eye(2), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"d_width": 2}, "changes must be among"), ({"d_dropout": 0.5}, "no dropout layer")],
)
def test_what_cannot_be_changed_is_said(changes: dict[str, Any], said: str) -> None:
    gan = tiny_gan()
    gan.discriminator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    callback = Changes(changes, 1)
    callback.set_model(gan)
    with pytest.raises(InputError, match=said):
        callback.on_train_begin()
