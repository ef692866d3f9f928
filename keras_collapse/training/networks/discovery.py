"""Find G, D and the latent size on a model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import keras

from keras_collapse.core.guard import guarded
from keras_collapse.training.networks.conditioning import Condition, conditions_of
from keras_collapse.training.networks.keras_internals import sublayers

_EXACT = {
    "generator": ("generator", "gen", "g", "G", "netG", "g_model", "generator_model"),
    "discriminator": (
        "discriminator",
        "critic",
        "disc",
        "d",
        "D",
        "netD",
        "d_model",
        "discriminator_model",
    ),
}
"""Attributes that hold a network for certain."""
_WORDS = {
    "generator": {"generator", "gen", "g", "netg"},
    "discriminator": {"discriminator", "disc", "dis", "critic", "d", "netd"},
}
"""Words of other attributes and of layers' names that say so."""
_COPIES = {"ema", "average", "averaged", "avg", "copy", "target", "best", "old", "test", "initial"}
"""Words that say that a network is a copy of one that is trained."""
LATENT_NAMES = (
    "latent_dim",
    "latent_dims",
    "latent_size",
    "latent_shape",
    "noise_dim",
    "noise_size",
    "noise_shape",
    "z_dim",
    "z_size",
    "zdim",
    "nz",
    "n_z",
    "codings_size",
    "random_dim",
)


@dataclass(frozen=True, slots=True)
class Networks:
    """G and D of a model, as far as they were found.

    Args:
        generator: latents to samples, or None.
        discriminator: samples to scores, or None.
        latent_shape: the shape of one latent, without the batch, or None.
        missing: what was not found, so that no samples can be drawn; empty if all was found.
        conditions: the ways in which the generator may take labels, likeliest first.
        pairs: where the model has several generators or discriminators, each G with each D, by
            their names: some of these belong together.
    """

    generator: Any = None
    discriminator: Any = None
    latent_shape: tuple[int, ...] | None = None
    missing: str = ""
    conditions: tuple[Condition, ...] = ()
    pairs: tuple[tuple[str, Any, Any], ...] = ()

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
    ``disc``, ``d``, …), else by the words in the names of its attributes and layers. If there are
    several generators or discriminators, none is watched: which of them belong together is not
    known.
    """
    found = {kind: _candidates(model, kind) for kind in _EXACT}
    if not found["generator"] and len(found["discriminator"]) == 1:
        found["generator"] = _makers(model, next(iter(found["discriminator"].values())))
    several = [names for kind, names in found.items() if len(names) > 1]
    if several:
        counts = " and ".join(
            f"{len(names)} {kind}s ({', '.join(names)})" for kind, names in found.items() if names
        )
        only_g = list(found["generator"].values()) if len(found["generator"]) == 1 else []
        if not only_g:
            missing = f"the model has {counts}; samples are watched of one pair only"
            pairs = tuple(
                (f"{g_name} and {d_name}", g, d)
                for g_name, g in found["generator"].items()
                for d_name, d in found["discriminator"].items()
            )
            return Networks(missing=f"{missing}. Train and watch one pair at a time", pairs=pairs)
        return networks_of(only_g[0], None, model)
    generator, discriminator = (next(iter(one.values()), None) for one in found.values())
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
        if takes_images(generator):
            missing = (
                "the generator takes images, and its images were not found in the batches; give "
                "fit batches of (input image, real image)"
            )
    return Networks(generator, discriminator, shape, missing, conditions)


def _candidates(model: keras.Model, kind: str) -> dict[str, Any]:
    """The different networks that may be of this kind, by name: one if an attribute is certain."""
    for name in _EXACT[kind]:
        value = getattr(model, name, None)
        if isinstance(value, keras.layers.Layer):
            return {name: value}
    known = set(_WORDS[kind])
    long = {word for word in known if len(word) > len("critic") - 1}
    found: dict[int, tuple[str, Any]] = {}
    for name, value in _parts(model):
        spellings = known if getattr(model, name, None) is value else long
        if set(_words(name)) & spellings:
            found.setdefault(id(value), (name, value))
    return dict(found.values())


def _makers(model: keras.Model, discriminator: Any) -> dict[str, Any]:
    """The networks that make what D takes, out of something of another shape."""
    taken = _shapes(discriminator, "input_shape")
    found: dict[int, tuple[str, Any]] = {}
    for name, value in _parts(model):
        made, given = _shapes(value, "output_shape"), _shapes(value, "input_shape")
        if value is not discriminator and len(made) == 1 and made[0] in taken and made != given:
            found.setdefault(id(value), (name, value))
    return dict(found.values())


def _shapes(network: Any, end: str) -> list[tuple[Any, ...]]:
    """The shapes at one end of a network; empty if it is not built."""
    shapes = getattr(network, end, None) if getattr(network, "built", False) else None
    if isinstance(shapes, tuple) and not isinstance(next(iter(shapes), None), tuple):
        return [shapes]
    parts = shapes.values() if isinstance(shapes, dict) else shapes or ()
    return [tuple(part) for part in parts]


def _parts(model: keras.Model) -> list[tuple[str, Any]]:
    """The networks of a model that are no copies of others, by attribute and by layer's name."""
    named = [(name, value) for name, value in vars(model).items() if not name.startswith("_")]
    return [
        (name, value)
        for name, value in [*named, *((layer.name, layer) for layer in model.layers)]
        if isinstance(value, keras.layers.Layer)
        and value is not model
        and len(sublayers(value)) > 1
        and not set(_words(name)) & _COPIES
    ]


def _words(name: str) -> list[str]:
    """A name's words in small letters, without numbers at their ends."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return [word.rstrip("0123456789") for word in re.split(r"[^a-z0-9]+", split.lower())]


def _latent_shape(generator: Any, size: int | None) -> tuple[int, ...] | None:
    """The shape of one latent, from the generator's input or the given size; or None."""
    shape = getattr(generator, "input_shape", None) if getattr(generator, "built", False) else None
    if isinstance(shape, tuple) and len(shape) > 1 and all(isinstance(n, int) for n in shape[1:]):
        return None if takes_images(generator) else tuple(shape[1:])
    if isinstance(shape, list | dict) or (isinstance(shape, tuple) and shape[1:]):
        return None
    return (size,) if size is not None else None


def _latent_size(*owners: Any) -> int | None:
    """The latent size that one of the owners names; or None."""
    sizes = (getattr(owner, name, None) for owner in owners for name in LATENT_NAMES)
    numbers = (size[0] if isinstance(size, tuple) and len(size) == 1 else size for size in sizes)
    return next((size for size in numbers if isinstance(size, int)), None)


def takes_images(generator: Any) -> bool:
    """Whether a generator's only input is an image or a series, not a latent.

    A latent may have places too, as (1, 1, 100) or (4, 4, 512) in a fully convolutional generator;
    an image has more places than a latent has, and few channels.
    """
    shape = getattr(generator, "input_shape", None) if getattr(generator, "built", False) else None
    if not isinstance(shape, tuple) or len(shape) != 4:
        return False
    places = shape[1:3]
    few = isinstance(shape[3], int) and shape[3] <= MOST_CHANNELS
    return None in places or (few and min(places) >= LEAST_PLACES)


MOST_CHANNELS, LEAST_PLACES = 4, 8
"""Channels at most and rows and columns at least of an input that is an image."""


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
