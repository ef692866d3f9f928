"""Fingerprints: hashes of weights, equal only where the weights are, to the bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_collapse.training.models import Networks

DIGEST_BYTES = 8
"""Of one variable's hash: two that differ share it once in 10^19 pairs."""


def fingerprints(networks: Networks) -> list[tuple[str, str]]:
    """(path, hash) of every variable of G and D: weights, running means, random generators.

    In the order of the networks' variables, since automatic names count up within a process.
    """
    owners = [n for n in (networks.generator, networks.discriminator) if n is not None]
    variables = {id(v): v for network in owners for v in network.variables}
    return [(v.path, digest([v])[: 2 * DIGEST_BYTES]) for v in variables.values()]


def digest(variables: Iterable[Any]) -> str:
    """One hash of the variables' shapes, types and bits, in order."""
    total = hashlib.blake2b(digest_size=16)
    for variable in variables:
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value))
        total.update(f"{value.shape}{value.dtype}".encode())
        total.update(value.data if value.size else b"")
    return total.hexdigest()
