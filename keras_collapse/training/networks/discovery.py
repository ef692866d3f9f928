"""Find G, D and the latent size on a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_collapse.core.guard import guarded
from keras_collapse.training.networks.conditioning import Condition, conditions_of

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
        missing: what was not found, so that no samples can be drawn; empty if all was found.
        conditions: the ways in which the generator may take labels, likeliest first.
    """

    generator: Any = None
    discriminator: Any = None
    latent_shape: tuple[int, ...] | None = None
    missing: str = ""
    conditions: tuple[Condition, ...] = ()

    @property
    def found(self) -> list[Any]:
        """The generator and the discriminator, as far as they were found."""
        return [one for one in (self.generator, self.discriminator) if one is not None]

    @property
    def sample_shape(self) -> tuple[int, ...] | None:
        """The shape of one of G's samples; None if it is unknown or varies."""
        shape = getattr(self.generator, "output_shape", None)
        return shape[1:] if isinstance(shape, tuple) and None not in shape[1:] else None


def find_networks(model: keras.Model) -> Networks:
    """Find G, D and the latent shape on a GAN model.

    They are looked up by attribute (``generator``, ``gen``, ``g``; ``discriminator``, ``critic``,
    ``disc``, ``d``, …), else by the names of the model's layers.
    """
    generator = _network(model, GENERATOR_NAMES, ("generator",))
    discriminator = _network(model, DISCRIMINATOR_NAMES, ("discriminator", "critic"))
    return networks_of(generator, discriminator, model)


def networks_of(generator: Any, discriminator: Any, model: Any = None) -> Networks:
    """G, D and the inputs of G.

    The latent shape is the generator's input shape, else the model's ``latent_dim`` (or
    ``noise_dim``, ``z_dim``, ``codings_size``, …); a conditional generator needs both.
    """
    if generator is None:
        missing = (
            "no generator was found; keep it as model.generator, or pass it to "
            "watching(generator=...)"
        )
        return Networks(None, discriminator, None, missing)
    size = _latent_size(model, generator)
    conditions = guarded(Condition, conditions_of, generator, discriminator, size) or ()
    shape = conditions[0].latent_shape if conditions else _latent_shape(generator, size)
    missing = ""
    if shape is None:
        missing = (
            "the generator's latent size is unknown, or it takes more than a latent and a label; "
            "set model.latent_dim to the size"
        )
    return Networks(generator, discriminator, shape, missing, conditions)


def _network(model: keras.Model, names: Sequence[str], parts: Sequence[str]) -> Any:
    for name in names:
        value = getattr(model, name, None)
        if isinstance(value, keras.layers.Layer):
            return value
    for layer in model.layers:
        if any(part in layer.name.lower() for part in parts):
            return layer
    return None


def _latent_shape(generator: Any, size: int | None) -> tuple[int, ...] | None:
    """The shape of one latent, from the generator's input or the given size; or None."""
    shape = getattr(generator, "input_shape", None) if getattr(generator, "built", False) else None
    if isinstance(shape, tuple) and len(shape) > 1 and all(isinstance(n, int) for n in shape[1:]):
        return tuple(shape[1:])
    if isinstance(shape, list | dict) or (isinstance(shape, tuple) and shape[1:]):
        return None
    return (size,) if size is not None else None


def _latent_size(*owners: Any) -> int | None:
    """The latent size that one of the owners names; or None."""
    sizes = (getattr(owner, name, None) for owner in owners for name in LATENT_NAMES)
    return next((size for size in sizes if isinstance(size, int)), None)


def optimizers_of(model: keras.Model) -> dict[str, Any]:
    """The optimizers of a model and its networks, by the names of their attributes."""
    networks = find_networks(model)
    owners = {"": model, "discriminator.": networks.discriminator, "generator.": networks.generator}
    found: dict[int, tuple[str, Any]] = {}
    for prefix, owner in owners.items():
        for name, value in vars(owner).items() if owner is not None else ():
            if isinstance(value, keras.optimizers.Optimizer):
                found.setdefault(id(value), (prefix + name.lstrip("_"), value))
    return dict(found.values())
