"""Fingerprints: hashes of weights and of data, equal only if these are bit-identical."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

DIGEST_BYTES = 8
"""Length of a variable's hash: two that differ share one once in 10^19 pairs."""

MOST_HASHED = 2**14
"""Bytes of a batch that are hashed; of a larger one, evenly spaced values of every sample. A batch
in another order or with another augmentation differs in nearly all of its values."""


def fingerprints(networks: Iterable[Any]) -> list[tuple[str, str]]:
    """The (path, hash) of every variable of the networks: weights, moving means, seed generators.

    They are in the order of the networks' variables, since automatic names count up in a process.
    """
    variables = {id(v): v for network in networks for v in network.variables}
    return [(v.path, digest([v])[: 2 * DIGEST_BYTES]) for v in variables.values()]


def digest(variables: Iterable[Any]) -> str:
    """One hash of the variables' shapes, types and bits, in order."""
    total = hashlib.blake2b(digest_size=16)
    for variable in variables:
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value))
        total.update(f"{value.shape}{value.dtype}".encode())
        total.update(value.data if value.size else b"")
    return total.hexdigest()


def batch_digest(batch: Any) -> str | None:
    """A hash of a batch of data; None if it is not in the host's memory.

    Args:
        batch: an array or tensor, or several in tuples, lists or dictionaries.
    """
    total = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in keras.tree.flatten(batch):
        if part is None:
            continue
        values = _in_host_memory(part)
        if values is None:
            return None
        total.update(f"{values.shape}{values.dtype}".encode())
        if values.nbytes > MOST_HASHED:
            rows = values.reshape(len(values), -1)
            values = rows[:, :: values.nbytes // MOST_HASHED + 1]
        total.update(np.ascontiguousarray(values).data if values.size else b"")
    return total.hexdigest()


def _in_host_memory(tensor: Any) -> np.ndarray | None:
    """A tensor's values; None if they would have to be fetched from a device."""
    if isinstance(tensor, np.ndarray | float | int):
        return np.asarray(tensor)
    device = str(getattr(tensor, "device", "cpu")).lower()
    if "cpu" not in device:
        return None
    return np.asarray(keras.ops.convert_to_numpy(tensor))
