"""One training step, taken to see what it does, and undone."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_collapse.training.hooks.method_patch import MethodPatch, is_traced, spy
from keras_collapse.training.hooks.optimizer_calls import D, G, Update, UpdatesSeen
from keras_collapse.training.networks.discovery import optimizers_of
from keras_collapse.training.networks.layers import batch_norms
from keras_collapse.training.wiring.fit_wiring import moved, values_of, weights_of
from keras_collapse.training.wiring.step_seen import StepSeen
from keras_collapse.training.wiring.undone import undone

OLDER = 1e6
"""Gradients that an earlier step is said to have left: far larger than those of any step."""
Changed = Callable[[Any], contextlib.AbstractContextManager[Any]]
"""Changes the networks within a block, as far as the given numbers say."""
TakeStep = Callable[[Changed, Any], Mapping[str, Any]]
"""Takes one training step within ``changed(numbers)``, and returns its log."""


def unchanged(_: Any) -> contextlib.AbstractContextManager[None]:
    """Change nothing."""
    return contextlib.nullcontext()


class ObservedStep:
    """Takes training steps of a GAN that change nothing.

    Afterwards weights, optimizers, metrics and random generators are as before, bit by bit.

    Args:
        generator, discriminator: the networks.
        take: takes the step; see `TakeStep`.
        undone: undoes what a step changes in its block.
        optimizers: those whose calls are observed.
        pure: whether ``take`` changes no variable, as a ``train_step`` of JAX with its state given;
            the variables' values may be out of reach then. An attribute, too.
    """

    def __init__(
        self,
        generator: Any,
        discriminator: Any,
        take: TakeStep,
        undone: Callable[[], contextlib.AbstractContextManager[None]],
        optimizers: Sequence[Any] = (),
        pure: bool = False,
    ) -> None:
        self._networks = {G: generator, D: discriminator}
        self.pure = pure
        self._take, self._undone = take, undone
        self._optimizers = optimizers

    def observe(self, batch: Sequence[np.ndarray]) -> StepSeen:
        """Take the step and return what was seen of it; an error of the step passes through.

        Args:
            batch: the arrays of the batch that the step is given.
        """
        seen = StepSeen(self._networks[G], self._networks[D], batch=batch)
        weights = {} if self.pure else {n: weights_of(one) for n, one in self._networks.items()}
        before = {name: values_of(found) for name, found in weights.items()}
        with self._undone(), listening(seen):
            seen.logs, seen.updates = self._with_updates(norm)
            for name, found in weights.items():
                seen.moved[name] = moved(found, before[name])
        seen.find_shown()
        return seen

    def _with_updates(
        self, measure: Callable[[Sequence[Any]], Any], changed: Changed = unchanged
    ) -> tuple[Mapping[str, Any], list[Update]]:
        """Take the step; its log, and its optimizer calls with what is measured of gradients."""
        updates = UpdatesSeen(self._optimizers, self._networks[G], self._networks[D], measure)
        updates.start()
        try:
            return self._take(changed, None), updates.updates
        finally:
            updates.stop()
            _settle()

    def logs(self, changed: Changed, numbers: Any) -> Mapping[str, Any]:
        """Take the step again, with the same random draws but changed, and return its log."""
        with self._undone():
            return self._take(changed, numbers)

    def gradients_of_d(self, changed: Changed) -> list[np.ndarray]:
        """Take the step again, changed, and return D's gradient in each of its updates, (n,)."""
        with self._undone():
            _, updates = self._with_updates(_as_row, changed)
        rows = [update.measured[D] for update in updates if D in update.measured]
        return [row for [row] in rows if row is not None]

    def accumulating(self, seen: StepSeen) -> list[str]:
        """The networks that are trained with gradients of earlier steps too; of PyTorch only.

        Its weights keep the gradients of the last step. So the step is taken once more for each
        network, with large ones put there: does an optimizer get them?

        Args:
            seen: the step as it is.
        """
        return [name for name in self._networks if self._gets_older(name, seen)]

    def _gets_older(self, name: str, seen: StepSeen) -> bool:
        with self._undone():
            for variable in weights_of(self._networks[name]):
                variable.value.grad = keras.ops.full_like(variable.value, OLDER).detach()
            _, updates = self._with_updates(norm)
        usual, now = (
            next((one.measured[name] for one in calls if name in one.measured), 0.0)
            for calls in (seen.updates, updates)
        )
        return now > max(OLDER, 10 * usual)


def norm(gradients: Sequence[Any]) -> float | None:
    """The Euclidean norm of all gradients together; None if they are only traced."""
    if any(map(is_traced, gradients)):
        return None
    squares = [
        float(np.square(np.asarray(keras.ops.convert_to_numpy(g), "float64")).sum())
        for g in gradients
    ]
    return float(np.sqrt(sum(squares)))


def _as_row(gradients: Sequence[Any]) -> list[np.ndarray | None]:
    """All gradients in one row, as soon as it is known, within a list."""
    parts = [keras.ops.reshape(keras.ops.convert_to_tensor(one), (-1,)) for one in gradients]
    return _noted_parts(keras.ops.concatenate(parts))


def step_of_model(
    gan: Any, generator: Any, discriminator: Any, take: TakeStep, pure: bool = False
) -> ObservedStep:
    """The training step of a compiled model; for the arguments see `ObservedStep`."""
    optimizers = list(optimizers_of(gan).values())
    undo = functools.partial(undone, gan, (generator, discriminator), optimizers, pure)
    return ObservedStep(generator, discriminator, take, undo, optimizers, pure)


@contextlib.contextmanager
def listening(seen: StepSeen, safe: Callable[..., Any] = lambda see: see) -> Iterator[None]:
    """Record in the block both networks' inputs and outputs, their batch norms, and Keras' losses.

    On JAX values are asked for by callbacks; within TensorFlow's compiled steps there are none.

    Args:
        seen: the record.
        safe: makes a function that observes, and may fail, one that does not.
    """
    note_loss = safe(lambda loss, values: _note(values, lambda v: seen.losses.append((loss, v))))
    modes: dict[str, list[bool]] = {G: [], D: []}

    def see_loss(original: Callable[..., Any]) -> Callable[..., Any]:
        def loss(self: Any, y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
            note_loss(self, y_pred)
            return original(self, y_true, y_pred, *args, **kwargs)

        return loss

    def see_batch_norm(name: str, layer: Any, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(inputs: Any, training: Any = None, **kwargs: Any) -> Any:
            modes[name].append(bool(training is not None and training and layer.trainable))
            return original(inputs, training=training, **kwargs)

        return call

    def see_drawn(inputs: Any, outputs: Any) -> None:
        seen.modes[G].append(_taken(modes[G]))
        seen.given.append(_noted_parts(inputs))
        seen.structure = keras.tree.map_structure(lambda _: 0, inputs)
        _note(outputs, seen.drawn.append)

    def see_shown(inputs: Any, outputs: Any) -> None:
        seen.score_shapes = [tuple(one.shape)[1:] for one in keras.tree.flatten(outputs)]
        seen.modes[D].append(_taken(modes[D]))
        seen.inputs_of_d.append(_noted_parts(inputs))

    with contextlib.ExitStack() as stack:
        for name, network in ((G, seen.generator), (D, seen.discriminator)):
            for layer in batch_norms(network, frozen=True):
                make = functools.partial(see_batch_norm, name, layer)
                stack.enter_context(MethodPatch(layer, "call", make))
        stack.enter_context(spy(seen.generator, "call", safe(see_drawn)))
        stack.enter_context(spy(seen.discriminator, "call", safe(see_shown)))
        stack.enter_context(MethodPatch(keras.losses.Loss, "__call__", see_loss))
        yield


def _noted_parts(inputs: Any) -> list[np.ndarray | None]:
    """The values of a network's inputs, filled in as soon as they are known."""
    parts = keras.tree.flatten(inputs)
    found: list[np.ndarray | None] = [None] * len(parts)
    for place, part in enumerate(parts):
        _note(part, functools.partial(found.__setitem__, place))
    return found


def _taken(modes: list[bool]) -> bool | None:
    """Whether any of these batch norms used its batch's statistics; None if there is none."""
    found = any(modes) if modes else None
    modes.clear()
    return found


def _note(tensor: Any, keep: Callable[[np.ndarray], None]) -> None:
    """Keep a tensor's value; within JAX's gradients only a callback has it."""
    if tensor is None or isinstance(tensor, list | tuple | dict):
        return
    if keras.backend.backend() == "jax":
        import jax

        jax.debug.callback(lambda value: keep(np.array(value)), tensor)
    elif keras.backend.backend() == "torch":
        keep(np.array(keras.ops.convert_to_numpy(tensor.detach())))
    else:
        keep(np.array(keras.ops.convert_to_numpy(tensor)))


def _settle() -> None:
    """Wait until all callbacks of JAX have run."""
    if keras.backend.backend() == "jax":
        import jax

        jax.effects_barrier()
