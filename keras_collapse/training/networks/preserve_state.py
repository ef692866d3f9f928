"""Everything a forward pass or a training step can move, put back to the bit."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

# Keras' global generator has no public name.
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

_OWN_SEED = "keras_collapse"


@contextlib.contextmanager
def preserve_state(variables: Iterable[Any]) -> Iterator[None]:
    """Put back these variables and every random generator when the block ends.

    The generators: Python's, NumPy's, Keras' global one, PyTorch's (on every device) and the one
    TensorFlow's eager operations draw their seeds from. JAX has none.

    Args:
        variables: Keras variables, those of ``SeedGenerator`` layers among them.
    """
    seeds = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    kept = [*variables, *([seeds.state] if seeds is not None else [])]
    values = [np.array(keras.ops.convert_to_numpy(v.value)) for v in kept]
    python, numpy = random.getstate(), np.random.get_state()
    with _backend_generators():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            if seeds is None:  # one made meanwhile would have been made later, of another seed
                global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, None)
            for variable, value in zip(kept, values, strict=True):
                if not _holds(variable, value):
                    variable.assign(value)


def _holds(variable: Any, value: np.ndarray) -> bool:
    """Has the variable this value, to the bit? One that JAX's failed fit has emptied has none."""
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
        from tensorflow.python.eager import context  # the generator has no public name

        generator = getattr(context.context(), "_rng", None)
        if not isinstance(generator, random.Random):  # nobody has seeded TensorFlow
            yield
            return
        state = generator.getstate()
        # A seed drawn twice would go on in the kernel that TensorFlow keeps for it.
        generator.seed(_OWN_SEED)
        try:
            yield
        finally:
            generator.setstate(state)
    else:
        yield
