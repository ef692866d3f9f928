"""A checkerboard of G's own layers is measured in a fit."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from camel_gan import GAN
from keras import layers
from tiny import once, tiny_gan

import keras_collapse as kc
from keras_collapse.core.detectors.lasting import checkerboard
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SamplesChecked
from keras_collapse.training.networks.layers import uneven_convolutions
from keras_collapse.training.probe import prober

pytestmark = pytest.mark.backend()


def image_gan(kernel: int) -> GAN:
    """A GAN of 16 x 16 images that learns nothing: its patterns are those of its layers."""
    keras.utils.set_random_seed(0)
    covered = layers.Conv2DTranspose(1, kernel, 2, "same", kernel_initializer="ones")
    generator = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Reshape((1, 1, 4)),
            layers.UpSampling2D(10),
            keras.Sequential([covered]),
            layers.Cropping2D(2),  # the edges are covered less by any kernel
            layers.Activation("tanh"),
        ]
    )
    discriminator = keras.Sequential(
        [keras.Input((16, 16, 1)), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    )
    gan = GAN(generator, discriminator, seed=7)
    gan.compile(d_optimizer=keras.optimizers.SGD(1e-9), g_optimizer=keras.optimizers.SGD(1e-9))
    return gan


@once
@pytest.mark.parametrize(("kernel", "found"), [(3, ["checkerboard"]), (4, [])])
def test_a_kernel_that_is_not_divisible_by_its_stride_is_named(
    kernel: int, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "APART", 1)
    monkeypatch.setattr(checkerboard, "LASTS", 30)
    gan = image_gan(kernel)
    images = np.random.default_rng(0).uniform(-1, 1, (64, 16, 16, 1)).astype("float32")
    monitor = kc.CollapseMonitor(every=10, run_dir=tmp_path, verbose=0)
    gan.fit(images, batch_size=8, epochs=6, verbose=0, callbacks=[monitor])
    kinds = [f for f in monitor.verdict.findings if f.kind == "checkerboard"]
    assert [f.kind for f in kinds] == found
    assert all(f.evidence["uneven_convolutions"] == 1 for f in kinds)
    checks = [r for r in read_journal(tmp_path) if isinstance(r, SamplesChecked)]
    assert {"checkerboard", "checkerboard_period"} <= checks[-1].values.keys()


def test_uneven_convolutions_are_counted_in_nested_networks() -> None:
    assert [uneven_convolutions(image_gan(k).generator) for k in (2, 3, 4, 5)] == [0, 1, 0, 1]
    assert uneven_convolutions(tiny_gan().generator) == 0
