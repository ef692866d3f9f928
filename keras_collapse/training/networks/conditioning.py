"""Conditional networks: how G takes labels with its latent, and D with its sample."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

_LATENT = re.compile(r"latent|noise|coding|random|(?<![a-z])z(?![a-z])", re.IGNORECASE)
_LABEL = re.compile(r"label|class|cond|(?<![a-z])[yc](?![a-z])", re.IGNORECASE)

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """One way in which a generator takes labels.

    Args:
        latent_shape: the shape of one latent.
        label_shape: the shape of one label: () or (1,) for a class number, (classes,) if one-hot.
        position: the position of the latent among two inputs; None if there is one input in which
            the label follows the latent.
    """

    latent_shape: tuple[int, ...]
    label_shape: tuple[int, ...]
    position: int | None = None


def conditions_of(
    generator: Any, discriminator: Any = None, latent_size: int | None = None
) -> tuple[Condition, ...]:
    """The ways in which a generator may take labels, likeliest first; empty if none is known.

    If nothing distinguishes its two inputs, each may be the latent; the data then decides which of
    them the labels fit.

    Args:
        generator: a built network.
        discriminator: a wider input of it shows that labels are appended to both networks' inputs.
        latent_size: the model's own ``latent_dim``, if it has one.
    """
    inputs = inputs_of(generator)
    if len(inputs) == 2:
        return tuple(_beside(inputs, latent_size))
    if len(inputs) != 1 or len(inputs[0][1]) != 1 or inputs[0][1][0] is None:
        return ()
    width = inputs[0][1][0]
    classes = width - latent_size if latent_size else _widened_by(discriminator, generator)
    return (Condition((width - classes,), (classes,)),) if 0 < classes < width else ()


def inputs_of(network: Any) -> list[tuple[str, Shape, str]]:
    """The name, the shape of one sample and the dtype of each input; empty if unknown."""
    try:
        struct = network.input if len(network.inputs) > 1 else network.inputs
        return [
            (" ".join([*map(str, path), tensor.name]), tuple(tensor.shape[1:]), str(tensor.dtype))
            for path, tensor in keras.tree.flatten_with_path(struct)
        ]
    except (AttributeError, TypeError, ValueError):  # a model that is not built, or is subclassed
        return []


def labels_like(labels: np.ndarray, shape: Shape) -> np.ndarray | None:
    """Labels as an input takes them; None if they are of another kind.

    Args:
        labels: (n,) or (n, 1) numbers of classes, or one-hot (n, classes).
        shape: the shape of one label at the input.

    >>> labels_like(np.array([2, 0]), (3,))
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    own = labels.shape[1:]
    size = shape[0] if shape else 1
    if len(shape) > 1 or size is None:
        return None
    if own == shape and own not in ((), (1,)):
        return np.asarray(labels, "float32")
    if own not in ((), (1,)) or not np.issubdtype(labels.dtype, np.number):
        return None
    numbers = labels.reshape(-1)
    if not np.array_equal(numbers, np.floor(numbers)):
        return None
    if size == 1:
        return numbers.reshape(len(numbers), *([1] * len(shape)))
    if numbers.min() < 0 or numbers.max() >= size:
        return None
    return np.asarray(np.eye(size)[numbers.astype(int)], "float32")


def given_to_g(generator: Any, condition: Condition, latents: Any, labels: np.ndarray) -> Any:
    """Latents and labels in the form that the generator takes."""
    if condition.position is None:
        return np.concatenate([latents, labels], axis=1, dtype="float32")
    parts = [latents, labels] if condition.position == 0 else [labels, latents]
    return keras.tree.pack_sequence_as(generator.input, parts)


def given_to_d(discriminator: Any, samples: np.ndarray, labels: np.ndarray | None) -> list[Any]:
    """Samples and their labels in the forms that the discriminator may take.

    Returns:
        One input for each way in which it may take them; empty if none is known.
    """
    inputs = inputs_of(discriminator)
    shapes = [shape for _, shape, _ in inputs]
    if len(shapes) <= 1 and (not shapes or _fits(samples.shape[1:], shapes[0])):
        return [samples] if shapes or labels is None else []
    if labels is None:
        return []
    if len(shapes) == 1:
        return list(_joined(samples, labels, shapes[0]))
    fitting = [i for i, shape in enumerate(shapes) if _fits(samples.shape[1:], shape)]
    if len(shapes) != 2 or not fitting:
        return []
    given = labels_like(labels, shapes[1 - fitting[0]])
    parts = [samples, given] if fitting[0] == 0 else [given, samples]
    return [] if given is None else [keras.tree.pack_sequence_as(discriminator.input, parts)]


def _beside(
    inputs: Sequence[tuple[str, Shape, str]], latent_size: int | None
) -> Iterator[Condition]:
    likely = [_like_a_latent(*one, latent_size) for one in inputs]
    for position in sorted((0, 1), key=lambda i: likely[i], reverse=True):
        (_, latent, dtype), (_, label, _) = inputs[position], inputs[1 - position]
        known = None not in latent and None not in label and len(label) <= 1
        if known and "float" in dtype and likely[position] >= likely[1 - position]:
            yield Condition(latent, label, position)  # type: ignore[arg-type]


def _like_a_latent(
    name: str, shape: Shape, dtype: str, latent_size: int | None
) -> tuple[int, bool, bool, bool]:
    """Arguments for an input being the latent, strongest first."""
    named = bool(_LATENT.search(name)) - bool(_LABEL.search(name))
    return named, "float" in dtype, shape == (latent_size,), shape not in ((), (1,))


def _widened_by(discriminator: Any, generator: Any) -> int:
    """How many more channels the discriminator takes than a sample has; 0 if unknown."""
    inputs, drawn = inputs_of(discriminator), getattr(generator, "output_shape", None)
    if len(inputs) != 1 or not isinstance(drawn, tuple):
        return 0
    return (_widened(drawn[1:], inputs[0][1]) or (0, 0))[1]


def _widened(sample: Shape, shape: Shape) -> tuple[int, int] | None:
    """The only axis on which an input is wider than a sample, and by how much; else None."""
    if len(sample) != len(shape) or None in (*sample, *shape):
        return None
    wider = [(i, b - a) for i, (a, b) in enumerate(zip(sample, shape, strict=True)) if a != b]  # type: ignore[operator]
    return wider[0] if len(wider) == 1 and wider[0][1] > 0 else None


def _joined(samples: np.ndarray, labels: np.ndarray, shape: Shape) -> Iterator[np.ndarray]:
    """Samples with one-hot labels appended as channels.

    Two forms if channels come last: Keras' own example of a conditional GAN reshapes the repeated
    labels class by class, so that each fills a band of the image instead of a channel. Its
    discriminator was trained with that, so both are tried.
    """
    found = _widened(samples.shape[1:], shape)
    onehot = labels_like(labels, (found[1],)) if found else None
    if found is None or onehot is None:
        return
    axis, size = found[0] + 1, list(samples.shape)
    size[axis] = found[1]
    places = int(np.prod(size[1:])) // found[1]
    ones = [1] * len(size)
    ones[0], ones[axis] = len(labels), found[1]
    spread = np.broadcast_to(onehot.reshape(ones), size)
    yield np.concatenate([samples, spread], axis)
    if axis == len(size) - 1 and places > 1:
        yield np.concatenate([samples, onehot.repeat(places, axis=1).reshape(size)], axis)


def _fits(sample: Shape, shape: Shape) -> bool:
    return len(sample) == len(shape) and all(
        b in (None, a) for a, b in zip(sample, shape, strict=True)
    )
