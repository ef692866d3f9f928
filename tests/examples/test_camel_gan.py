"""The camel GAN: the guide's size, wired right on every backend, and the leak wired wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import camel_gan
import keras
import numpy as np
import pytest

import keras_collapse as kc


def values(network: keras.Model) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in network.trainable_variables]


def moved(before: list[np.ndarray], network: keras.Model) -> bool:
    return any(not np.array_equal(a, b) for a, b in zip(before, values(network), strict=True))


def small(fault: str | None = None, d_rate: float = 8e-4, g_rate: float = 4e-4) -> Any:
    gan, images = camel_gan.build(seed=1, fault=fault, d_rate=d_rate, g_rate=g_rate)
    return gan, images[:32]


def test_the_full_preset_has_the_guides_parameters() -> None:
    generator, discriminator = camel_gan.build_generator(), camel_gan.build_discriminator()
    assert generator.count_params() + discriminator.count_params() == 1_564_994


def test_the_full_preset_has_the_guides_architecture() -> None:
    discriminator = camel_gan.build_discriminator()
    convolutions = [l for l in discriminator.layers if isinstance(l, keras.layers.Conv2D)]  # noqa: E741
    assert [c.filters for c in convolutions] == [64, 64, 128, 128]
    assert [c.strides[0] for c in convolutions] == [2, 2, 2, 1]
    assert {c.kernel_size for c in convolutions} == {(5, 5)}
    assert {l.rate for l in discriminator.layers if isinstance(l, keras.layers.Dropout)} == {0.4}  # noqa: E741
    generator = camel_gan.build_generator()
    kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    assert [l.filters for l in generator.layers if isinstance(l, kinds)] == [128, 64, 64, 1]  # noqa: E741
    norms = [l for l in generator.layers if isinstance(l, keras.layers.BatchNormalization)]  # noqa: E741
    assert {n.momentum for n in norms} == {0.9}
    kernel = keras.ops.convert_to_numpy(generator.layers[1].kernel)
    assert kernel.std() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(
    ("fault", "d_rate", "g_rate", "d_moves", "g_moves"),
    [
        (None, 8e-4, 0.0, True, False),  # D's step alone moves D, and only D
        (None, 0.0, 4e-4, False, True),  # G's step alone moves G, and only G
        ("leak", 0.0, 4e-4, True, True),  # the leak: G's step moves D too
    ],
)
def test_each_step_moves_what_it_should(
    fault: str | None, d_rate: float, g_rate: float, d_moves: bool, g_moves: bool
) -> None:
    gan, images = small(fault, d_rate, g_rate)
    before_d, before_g = values(gan.discriminator), values(gan.generator)
    gan.fit(images, batch_size=16, verbose=0)
    assert moved(before_d, gan.discriminator) == d_moves
    assert moved(before_g, gan.generator) == g_moves


def test_it_reports_losses_and_accuracies_of_each_network() -> None:
    gan, images = small()
    logs = gan.fit(images, batch_size=16, verbose=0).history
    assert logs.keys() == {
        "d_loss", "d_loss_real", "d_loss_fake", "d_acc", "d_acc_real", "d_acc_fake", "g_loss", "g_acc",
    }  # fmt: skip
    last = {name: values[-1] for name, values in logs.items()}
    assert last["d_loss"] == pytest.approx((last["d_loss_real"] + last["d_loss_fake"]) / 2, abs=1e-5)
    assert last["d_acc"] == pytest.approx((last["d_acc_real"] + last["d_acc_fake"]) / 2, abs=1e-5)


def test_the_same_seed_trains_to_the_same_bits() -> None:
    def train() -> list[np.ndarray]:
        trial = SimpleNamespace(
            seed=5, batch_size=2048, epochs=1, params={}, callbacks=[kc.SeedControl(5, verbose=0)]
        )
        return values(camel_gan.train(trial).generator)

    first, second = train(), train()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_all_our_callbacks_leave_the_weights_bit_identical() -> None:
    def train(callbacks: list[Any]) -> list[np.ndarray]:
        kc.seed_everything(5)
        gan, images = small()
        gan.fit(images, batch_size=16, epochs=2, verbose=0, callbacks=callbacks)
        return values(gan.generator) + values(gan.discriminator)

    seeded = train([kc.SeedControl(5, verbose=0)])
    ours = [kc.SeedControl(5, verbose=0), kc.CollapseMonitor(verbose=0), kc.MLflowLogger()]
    assert all(np.array_equal(a, b) for a, b in zip(seeded, train(ours), strict=True))


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size=64 with 32 drawings"):
        camel_gan.whole_batches(np.zeros((32, 28, 28, 1)), 64)


@pytest.mark.parametrize("wrong", [{"preset": "huge"}, {"fault": "none"}])
def test_an_unknown_preset_or_fault_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="Received"):
        camel_gan.build(**wrong)
