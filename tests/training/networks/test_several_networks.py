"""Networks under other names, several pairs, and generators that take no noise."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras import layers

from keras_collapse.training.networks.discovery import find_networks

pytestmark = pytest.mark.backend("jax")


def generator(shape: tuple[int, ...] = (4,), name: str | None = None) -> keras.Model:
    x = keras.Input(shape)
    y = layers.Dense(2)(layers.Flatten()(x))
    return keras.Model(x, y, name=name)


def image_network(name: str | None = None) -> keras.Model:
    x = keras.Input((16, 16, 3))
    return keras.Model(x, layers.Conv2D(3, 3, padding="same")(x), name=name)


def model(**parts: Any) -> keras.Model:
    found = keras.Model()
    for name, part in parts.items():
        setattr(found, name, part)
    return found


@pytest.mark.parametrize(
    ("g_name", "d_name"),
    [
        ("my_generator", "my_discriminator"),
        ("gen_net", "disc_net"),
        ("image_generator", "image_critic"),
        ("g1", "d1"),
    ],
)
def test_networks_are_found_by_the_words_of_their_names(g_name: str, d_name: str) -> None:
    g, d = generator(), generator((2,))
    found = find_networks(model(**{g_name: g, d_name: d}))
    assert (found.generator, found.discriminator) == (g, d)
    assert not found.missing


def test_a_layer_that_only_sounds_like_one_is_no_discriminator() -> None:
    found = find_networks(model(conv2d=image_network("conv2d"), generator=generator()))
    assert found.discriminator is None


def test_a_moving_average_of_g_is_no_second_generator() -> None:
    g, d = generator(), generator((2,))
    found = find_networks(model(g_net=g, ema_g_net=generator(), d_net=d))
    assert (found.generator, found.discriminator) == (g, d)


def test_two_pairs_are_not_watched_and_are_named() -> None:
    found = find_networks(
        model(
            gen_G=image_network(),
            gen_F=image_network(),
            disc_X=image_network(),
            disc_Y=image_network(),
        )
    )
    assert (found.generator, found.discriminator) == (None, None)
    assert "2 generators (gen_G, gen_F) and 2 discriminators (disc_X, disc_Y)" in found.missing


def test_several_discriminators_leave_the_samples_of_one_generator() -> None:
    g = generator()
    found = find_networks(model(gen=g, disc_small=generator((2,)), disc_large=generator((2,))))
    assert (found.generator, found.discriminator, found.latent_shape) == (g, None, (4,))


def test_a_generator_of_images_from_images_is_not_sampled_with_noise() -> None:
    found = find_networks(model(generator=image_network(), discriminator=image_network()))
    assert found.generator is not None
    assert found.latent_shape is None
    assert "the generator takes images" in found.missing


@pytest.mark.parametrize("shape", [(1, 1, 100), (4, 4, 512), (100,)])
def test_a_latent_with_places_is_a_latent(shape: tuple[int, ...]) -> None:
    assert find_networks(model(generator=generator(shape))).latent_shape == shape


def test_the_decoder_of_a_vae_gan_is_its_generator() -> None:
    encoder = keras.Sequential([keras.Input((2,)), layers.Dense(8), layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((4,)), layers.Dense(8), layers.Dense(2)])
    judge = keras.Sequential([keras.Input((2,)), layers.Dense(8), layers.Dense(1)])
    found = find_networks(model(encoder=encoder, decoder=decoder, discriminator=judge))
    assert (found.generator, found.discriminator, found.latent_shape) == (decoder, judge, (4,))
