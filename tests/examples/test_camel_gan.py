"""The camel GAN: the guide's size, wired right on every backend, and the leak wired wrong."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import camel_drawings
import camel_gan
import keras
import numpy as np
import pytest
from tiny import ring, tiny_gan

import keras_collapse as kc
from keras_collapse.core.readings.signals import SIGNALS

pytestmark = pytest.mark.backend()


def values(network: keras.Model) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in network.trainable_variables]


def moved(before: list[np.ndarray], network: keras.Model) -> bool:
    return any(not np.array_equal(a, b) for a, b in zip(before, values(network), strict=True))


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
    gan = tiny_gan(fault, d_rate, g_rate)
    before_d, before_g = values(gan.discriminator), values(gan.generator)
    gan.fit(ring(64), batch_size=32, verbose=0)
    assert moved(before_d, gan.discriminator) == d_moves
    assert moved(before_g, gan.generator) == g_moves


def test_it_reports_losses_and_accuracies_of_each_network() -> None:
    logs = tiny_gan().fit(ring(64), batch_size=32, verbose=0).history
    assert logs.keys() == set(SIGNALS)
    last = {name: values[-1] for name, values in logs.items()}
    assert last["d_loss"] == pytest.approx(
        (last["d_loss_real"] + last["d_loss_fake"]) / 2, abs=1e-5
    )
    assert last["d_acc"] == pytest.approx((last["d_acc_real"] + last["d_acc_fake"]) / 2, abs=1e-5)


@pytest.mark.slow("jax")  # half a minute of compiling
@pytest.mark.usefixtures("as_users_compile")
def test_same_seed_same_bits_with_and_without_our_callbacks(tmp_path: Path) -> None:
    """The real architecture on drawings, once bare, once with all that we offer."""

    def train(callbacks: list[Any]) -> list[np.ndarray]:
        params = {"data": str(tmp_path / "few.npy")}
        trial = SimpleNamespace(seed=5, batch_size=16, epochs=2, params=params, callbacks=callbacks)
        gan = camel_gan.train(trial)
        return values(gan.generator) + values(gan.discriminator)

    np.save(tmp_path / "few.npy", camel_drawings.draw(32)[0])
    bare = train([kc.SeedControl(5, verbose=0)])
    ours = [kc.SeedControl(5, verbose=0), kc.CollapseMonitor(verbose=0), kc.MLflowLogger()]
    assert all(np.array_equal(a, b) for a, b in zip(bare, train(ours), strict=True))


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size=64 with 32 drawings"):
        camel_gan.whole_batches(np.zeros((32, 28, 28, 1)), 64)


@pytest.mark.parametrize("wrong", [{"preset": "huge"}, {"fault": "none"}])
def test_an_unknown_preset_or_fault_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="Received"):
        camel_gan.build(**wrong)
