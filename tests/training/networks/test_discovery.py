"""G and D are found, sampled without a trace, and laid out as a picture."""

from __future__ import annotations

import random
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from tiny import tiny_gan, weights

from keras_collapse.training.networks.discovery import find_networks
from keras_collapse.training.networks.sampling import draw
from keras_collapse.training.probe.pictures import image_grid, save_picture

pytestmark = [pytest.mark.backend(), pytest.mark.oldest_keras]


class Holder(keras.Model):
    """A model that holds networks under the names it is given."""

    def __init__(self, **parts: object) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


def network(inputs: int, outputs: int, name: str) -> keras.Model:
    return keras.Sequential([keras.Input((inputs,)), layers.Dense(outputs)], name=name)


@pytest.mark.parametrize(
    ("g", "d"),
    [("generator", "discriminator"), ("gen", "disc"), ("G", "D"), ("generator", "critic")],
)
def test_networks_are_found_by_attribute(g: str, d: str) -> None:
    model = Holder(**{g: network(3, 2, "a"), d: network(2, 1, "b")})
    found = find_networks(model)
    assert found.generator is getattr(model, g)
    assert found.discriminator is getattr(model, d)
    assert found.latent_shape == (3,)
    assert found.missing == ""


def test_networks_are_found_by_layer_name() -> None:
    model = Holder(first=network(3, 2, "my_generator"), second=network(2, 1, "my_critic"))
    found = find_networks(model)
    assert found.generator is model.first
    assert found.discriminator is model.second


@pytest.mark.parametrize("name", ["latent_dim", "noise_dim", "z_dim", "codings_size"])
def test_the_latent_size_is_found_on_the_model_where_the_generator_is_not_built(name: str) -> None:
    unbuilt = keras.Sequential([layers.Dense(2)])
    found = find_networks(Holder(generator=unbuilt, **{name: 5}))
    assert found.latent_shape == (5,)


def test_what_is_missing_is_said() -> None:
    assert "no generator" in find_networks(Holder(discriminator=network(2, 1, "d"))).missing
    z, label, style = (keras.Input((n,)) for n in (3, 1, 5))
    joined = layers.Concatenate()([z, label, style])
    of_three = keras.Model([z, label, style], layers.Dense(2)(joined))
    found = find_networks(Holder(generator=of_three))
    assert found.latent_shape is None
    assert "more than a latent and a label" in found.missing


class Noisy(layers.Layer):
    """Draws noise even in inference, so that a careless look would move the training."""

    def __init__(self) -> None:
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, x: object) -> object:
        np.random.random()
        random.random()
        return x + keras.random.normal((1, 2), seed=self.seed_generator)


def test_drawing_leaves_no_trace() -> None:
    gan = tiny_gan()
    noisy = keras.Sequential([gan.generator, Noisy()])
    noisy.build((None, 4))
    latents = np.zeros((8, 4), np.float32)
    before = [np.array(keras.ops.convert_to_numpy(v.value)) for v in noisy.variables]
    states = random.getstate(), np.random.get_state()[1].tolist()
    first, second = draw(noisy, latents), draw(noisy, latents)
    after = [np.array(keras.ops.convert_to_numpy(v.value)) for v in noisy.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states
    assert np.array_equal(first, second)
    assert first.dtype == np.float32
    assert len(weights(gan)) > 20


@pytest.mark.parametrize(
    ("shape", "columns", "expected"),
    [
        ((8, 28, 28, 1), 8, (56, 448)),
        ((9, 28, 28), 8, (112, 448)),
        ((4, 32, 32, 3), 2, (448, 448, 3)),
        ((4, 600, 600, 1), 2, (1200, 1200)),
    ],
)
def test_images_are_laid_out(
    shape: tuple[int, ...], columns: int, expected: tuple[int, ...]
) -> None:
    grid = image_grid(np.zeros(shape, np.float32), columns)
    assert grid is not None
    assert grid.shape == expected
    assert grid.dtype == np.uint8


@pytest.mark.parametrize(
    ("low", "high", "pixels"), [(-1.0, 1.0, (0, 255)), (0.0, 1.0, (0, 255)), (0.0, 255.0, (0, 255))]
)
def test_every_usual_range_fills_the_greys(
    low: float, high: float, pixels: tuple[int, int]
) -> None:
    samples = np.full((2, 8, 8, 1), low, np.float32)
    samples[0, 0, 0] = high
    grid = image_grid(samples)
    assert grid is not None
    assert (grid.min(), grid.max()) == pixels


def test_what_is_no_image_gives_no_picture() -> None:
    assert image_grid(np.zeros((8, 2))) is None
    assert image_grid(np.zeros((8, 28, 28, 5))) is None
    assert image_grid(np.full((8, 8, 8, 1), np.nan)) is not None


def test_a_picture_is_written_whole(tmp_path: Path) -> None:
    save_picture(np.zeros((8, 8), np.uint8), tmp_path / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
