"""The labels among a conditional generator's inputs: the same latents under several of them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_collapse.core.samples.classes import label_effect
from keras_collapse.training.networks.sampling import draw

MOST_LABELS = 4
"""Labels that the same latents are drawn under."""
EXTRA = 32
"""Samples that this takes, at most."""


def draw_with_effect(generator: Any, inputs: Any) -> tuple[np.ndarray, float | None]:
    """Draw G's samples, and measure how much of their variance depends on the label.

    Args:
        generator: the network.
        inputs: of it, nested arrays (n, ...).

    Returns:
        The samples, float32 (n, ...), and their `label_effect`, for which at most 32 more are drawn
        in the same call; None if the inputs hold no labels.
    """
    labelled = under_labels(inputs)
    if labelled is None:
        return draw(generator, inputs), None
    labels, more = labelled
    count = len(keras.tree.flatten(inputs)[0])
    joined = keras.tree.map_structure(lambda *parts: np.concatenate(parts), inputs, more)
    samples = draw(generator, joined)
    extra = samples[count:]
    return samples[:count], label_effect(extra.reshape(labels, len(extra) // labels, -1))


def under_labels(inputs: Any) -> tuple[int, Any] | None:
    """The first latents of these inputs, once under each of a few of their labels.

    Labels are numbers that are whole, in one input or in columns of one, and differ from row to
    row; anything else is a latent.

    Args:
        inputs: of a generator, nested arrays (n, ...).

    Returns:
        The number of labels, 2 to 4, and inputs of the same structure, (labels * latents, ...)
        with the rows of the first label first; None if the inputs hold no labels, or no latents.
    """
    parts = [np.asarray(part) for part in keras.tree.flatten(inputs)]
    columns = [_label_columns(part) for part in parts]
    if all(found.all() for found in columns):
        return None
    labels = [
        part.reshape(len(part), -1)[:, found]
        for part, found in zip(parts, columns, strict=True)
        if found.any()
    ]
    if not labels:
        return None
    joined = np.concatenate([one.astype("float64") for one in labels], axis=1)
    rows = np.sort(np.unique(joined, axis=0, return_index=True)[1])[:MOST_LABELS]
    latents = EXTRA // len(rows)
    if len(rows) < 2 or len(joined) < latents:
        return None
    drawn = [
        np.concatenate([_with_label(part[:latents], found, part[row]) for row in rows])
        for part, found in zip(parts, columns, strict=True)
    ]
    return len(rows), keras.tree.pack_sequence_as(inputs, drawn)


def class_numbers(labels: np.ndarray) -> np.ndarray | None:
    """The class of each label, int64 (n,): of numbers (n,) or (n, 1), or one-hot (n, classes).

    None if the labels are of another kind.

    >>> class_numbers(np.array([[0, 1], [1, 0]], "float32"))
    array([1, 0])
    """
    if labels.ndim == 2 and labels.shape[1] > 1:
        is_one_hot = np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()
        return np.asarray(labels.argmax(axis=1), np.int64) if is_one_hot else None
    if labels.size != len(labels) or not (labels == np.floor(labels)).all():
        return None
    return labels.reshape(-1).astype(np.int64)


def _label_columns(part: np.ndarray) -> np.ndarray:
    """Which columns of an input (n,) or (n, d) hold labels, bool (d,); of another input none."""
    if part.ndim > 2:
        return np.zeros(int(np.prod(part.shape[1:])), bool)
    numbers = part.reshape(len(part), -1).astype("float64")
    return np.asarray((numbers == np.floor(numbers)).all(axis=0))


def _with_label(rows: np.ndarray, columns: np.ndarray, label: np.ndarray) -> np.ndarray:
    changed = rows.copy().reshape(len(rows), -1)
    changed[:, columns] = label.reshape(-1)[columns]
    return changed.reshape(rows.shape)
