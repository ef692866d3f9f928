"""Preserving everything that a forward pass or a training step can change, bit by bit."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from keras_collapse.training.networks.attributes import preserve_attributes
from keras_collapse.training.networks.keras_internals import (
    forget_global_seed_generator,
    global_seed_generator,
    tensorflow_generator,
)

_OWN_SEED = "keras_collapse"


@contextlib.contextmanager
def preserve_state(variables: Iterable[Any], *owners: Any) -> Iterator[None]:
    """Restore these variables and every random generator when the block ends.

    The generators are Python's, NumPy's, Keras' global one, PyTorch's (on every device) and the one
    that TensorFlow's eager operations draw their seeds from. JAX has none.

    Args:
        variables: Keras variables, those of ``SeedGenerator`` layers among them.
        owners: models whose other state is restored too: counters, lists and the like among their
            attributes, and variables, generators and optimizers of the backend that Keras does not
            know.
    """
    seeds = global_seed_generator()
    kept = [*variables, *([seeds.state] if seeds is not None else [])]
    values = [np.array(keras.ops.convert_to_numpy(v.value)) for v in kept]
    python, numpy = random.getstate(), np.random.get_state()
    with _backend_generators(), contextlib.ExitStack() as stack:
        for owner in owners:
            stack.enter_context(preserve_attributes(owner))
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            if seeds is None:  # one made meanwhile would have been made later, from another seed
                forget_global_seed_generator()
            for variable, value in zip(kept, values, strict=True):
                if not _holds(variable, value):
                    variable.assign(value)


def _holds(variable: Any, value: np.ndarray) -> bool:
    """Whether the variable has this value, bit by bit; after a failed fit on JAX it has none."""
    try:
        now = np.asarray(keras.ops.convert_to_numpy(variable.value))
    except TypeError:
        return False
    return now.tobytes() == value.tobytes()


@contextlib.contextmanager
def _backend_generators() -> Iterator[None]:
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        with torch.random.fork_rng():
            yield
    elif backend == "tensorflow":
        generator = tensorflow_generator()
        if generator is None:  # TensorFlow was not seeded
            yield
            return
        state = generator.getstate()
        # TensorFlow keeps a kernel for each seed: drawn twice, it would continue in that kernel.
        generator.seed(_OWN_SEED)
        try:
            yield
        finally:
            generator.setstate(state)
    else:
        yield
