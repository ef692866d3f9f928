"""All uses of private parts of Keras and TensorFlow, each with a fallback if it is missing.

Seen in Keras 3.14.1 and 3.15.1 and TensorFlow 2.21. A release that moves one of these costs what
its function's fallback says, never an error.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import keras


def global_seed_generator() -> Any:
    """Keras' global `SeedGenerator`, or None if there is none yet.

    Private: ``keras.src.backend.common.global_state`` and ``keras.src.random.seed_generator``.
    Fallback: None; a draw from it during a sample check would then change the training.
    """
    state, name = _global_state()
    return state.get_global_attribute(name) if state is not None else None


def forget_global_seed_generator() -> None:
    """Remove Keras' global `SeedGenerator`, so that it is made when it is needed.

    Private and fallback: as `global_seed_generator`; nothing is removed.
    """
    state, name = _global_state()
    if state is not None:
        state.set_global_attribute(name, None)


def _global_state() -> tuple[Any, str]:
    try:
        from keras.src.backend.common import global_state
        from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR
    except ImportError:
        return None, ""
    return global_state, str(GLOBAL_SEED_GENERATOR)


def compile_arguments(model: keras.Model) -> dict[str, Any]:
    """The arguments that a model was compiled with, by name; empty if there are none.

    Private: ``Model._compile_config.config``. Fallback: the public, serialised form, which costs an
    import of TensorFlow (seconds) on every backend where it is installed.
    """
    found = getattr(getattr(model, "_compile_config", None), "config", None)
    if isinstance(found, dict):
        return found
    try:
        return model.get_compile_config() or {}
    except Exception:  # something that compile was given cannot be serialised
        return {}


def tensorflow_generator() -> random.Random | None:
    """The generator that TensorFlow's eager operations draw their seeds from.

    Private: ``tensorflow.python.eager.context.context()._rng``, there once TensorFlow was seeded.
    Fallback: None; eager random operations of a sample check then change those of the training.
    """
    try:
        from tensorflow.python.eager import context
    except ImportError:
        return None
    generator = getattr(context.context(), "_rng", None)
    return generator if isinstance(generator, random.Random) else None


def pipeline_stages(data: Any) -> Iterator[tuple[str, Any]]:
    """The stages of a ``tf.data`` pipeline, last first: the kind, and the tensors it was made from.

    Private: the classes of ``tensorflow.python.data``, their ``_input_dataset``, and ``_tensors``
    of ``TensorSlice``.
    Fallback: the stages end early, so that no arrays are found in the pipeline.

    Yields:
        Kind, such as ``"Shuffle"``, and its tensors in a list; None for stages without.
    """
    while type(data).__module__.startswith("tensorflow.python.data"):
        kind = type(data).__name__.strip("_").removesuffix("Dataset").removesuffix("V2")
        tensors = getattr(data, "_tensors", None)
        yield kind, list(tensors) if tensors is not None else None
        data = getattr(data, "_input_dataset", None)


def sublayers(network: Any) -> list[Any]:
    """All layers of a network, nested ones too.

    Private: ``Layer._flatten_layers``. Fallback: the layers of ``network.layers``.
    """
    if network is None:
        return []
    flatten = getattr(network, "_flatten_layers", None)
    return list(flatten() if flatten is not None else getattr(network, "layers", ()))


def has_rate_schedule(optimizer: Any) -> bool:
    """Whether the learning rate follows a schedule.

    Private: ``Optimizer._learning_rate``. Fallback: False; the rate is then read as a number.
    """
    rate = getattr(optimizer, "_learning_rate", None)
    return isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)


def optimizer_targets(optimizer: Any) -> list[Any]:
    """The variables that ``optimizer.apply`` changes if it is called with gradients only.

    Private: ``Optimizer._trainable_variables``. Fallback: none, so that the call tells nothing.
    """
    return list(getattr(optimizer, "_trainable_variables", ()))


def waiting_callbacks() -> list[str]:
    """The callbacks of others for which Keras converts each step's logs before it goes on.

    To be called from a callback of a ``fit``. Only where Keras could read logs in other threads,
    which it does if each callback with a batch hook has ``async_safe``.

    Private: that Keras' `CallbackList` calls the hooks, and ``_is_default`` of a hook. Fallback:
    none.
    """
    if keras.backend.backend() not in ("jax", "torch"):
        return []
    frame = sys._getframe()
    while frame is not None and not isinstance(
        frame.f_locals.get("self"), keras.callbacks.CallbackList
    ):
        frame = frame.f_back  # type: ignore[assignment]
    callbacks = frame.f_locals["self"].callbacks if frame is not None else ()
    return [type(one).__name__ for one in callbacks if _waits(one)]


def _waits(callback: Any) -> bool:
    added_by_keras = (keras.callbacks.History, keras.callbacks.ProgbarLogger)
    of_ours = type(callback).__module__.startswith("keras_collapse")
    if getattr(callback, "async_safe", False) or of_ours or isinstance(callback, added_by_keras):
        return False
    hooks = (callback.on_batch_end, callback.on_train_batch_end)
    return not all(getattr(hook, "_is_default", False) for hook in hooks)
