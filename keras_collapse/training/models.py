"""Finding G, D and the latent's size on a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

GENERATOR_NAMES = ("generator", "gen", "g", "G", "netG", "g_model", "generator_model")
DISCRIMINATOR_NAMES = (
    "discriminator",
    "critic",
    "disc",
    "d",
    "D",
    "netD",
    "d_model",
    "discriminator_model",
)
LATENT_NAMES = ("latent_dim", "latent_size", "noise_dim", "z_dim", "codings_size", "random_dim")


@dataclass(frozen=True, slots=True)
class Networks:
    """G and D of a model, as far as they were found.

    Args:
        generator: latents to samples, or None.
        discriminator: samples to scores, or None.
        latent_shape: the shape of one latent, without the batch, or None.
        missing: what was not found and what that costs, in words; empty if all was.
    """

    generator: Any = None
    discriminator: Any = None
    latent_shape: tuple[int, ...] | None = None
    missing: str = ""


def find_networks(model: keras.Model) -> Networks:
    """Look for G, D and the latent's shape on a GAN model.

    By attribute (``generator``, ``gen``, ``g``; ``discriminator``, ``critic``, ``disc``, ``d``,
    …), else by the names of its layers. The latent's shape is the generator's input shape, else
    the model's ``latent_dim`` (or ``noise_dim``, ``z_dim``, ``codings_size``, …).
    """
    generator = _network(model, GENERATOR_NAMES, ("generator",))
    discriminator = _network(model, DISCRIMINATOR_NAMES, ("discriminator", "critic"))
    if generator is None:
        missing = "no generator was found on the model, so no samples are drawn"
        return Networks(None, discriminator, None, f"{missing} (looked for model.generator)")
    shape = latent_shape(generator, model)
    missing = ""
    if shape is None:
        missing = (
            "the generator's latent size is unknown or it has several inputs, so no samples "
            "are drawn (looked for model.latent_dim)"
        )
    return Networks(generator, discriminator, shape, missing)


def _network(model: keras.Model, names: Sequence[str], parts: Sequence[str]) -> Any:
    for name in names:
        value = getattr(model, name, None)
        if isinstance(value, keras.layers.Layer):
            return value
    for layer in model.layers:
        if any(part in layer.name.lower() for part in parts):
            return layer
    return None


def latent_shape(generator: Any, model: Any = None) -> tuple[int, ...] | None:
    """The shape of one latent, by the generator's input or by a number that says so; or None."""
    shape = getattr(generator, "input_shape", None) if getattr(generator, "built", False) else None
    if isinstance(shape, tuple) and len(shape) > 1 and all(isinstance(n, int) for n in shape[1:]):
        return tuple(shape[1:])
    if isinstance(shape, list | dict) or (isinstance(shape, tuple) and shape[1:]):
        return None
    for owner in (model, generator):
        for name in LATENT_NAMES:
            size = getattr(owner, name, None)
            if isinstance(size, int):
                return (size,)
    return None


def optimizers_of(model: keras.Model) -> dict[str, Any]:
    """The optimizers that a model or its networks hold, by the names of their attributes."""
    networks = find_networks(model)
    owners = {"": model, "discriminator.": networks.discriminator, "generator.": networks.generator}
    found: dict[int, tuple[str, Any]] = {}
    for prefix, owner in owners.items():
        for name, value in vars(owner).items() if owner is not None else ():
            if isinstance(value, keras.optimizers.Optimizer):
                found.setdefault(id(value), (prefix + name.lstrip("_"), value))
    return dict(found.values())
