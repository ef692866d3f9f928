"""One training step, taken to see what it does, and undone."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_collapse.training.hooks.method_patch import MethodPatch, spy
from keras_collapse.training.hooks.optimizer_calls import D, G, UpdatesSeen
from keras_collapse.training.networks.discovery import optimizers_of
from keras_collapse.training.networks.keras_internals import sublayers
from keras_collapse.training.networks.layers import batch_norms
from keras_collapse.training.networks.preserve_state import preserve_state
from keras_collapse.training.wiring.fit_wiring import moved, values_of, weights_of
from keras_collapse.training.wiring.step_seen import StepSeen

Changed = Callable[[Any], contextlib.AbstractContextManager[Any]]
"""Changes the networks within a block, as far as the given numbers say."""
SEED = 20190528
TakeStep = Callable[[Changed, Any], Mapping[str, Any]]
"""Takes one training step within ``changed(numbers)``, and returns its log."""


def unchanged(_: Any) -> contextlib.AbstractContextManager[None]:
    """Change nothing."""
    return contextlib.nullcontext()


class ObservedStep:
    """Takes training steps of a GAN that change nothing.

    Afterwards weights, optimizers, metrics and random generators are as before, bit by bit.

    Args:
        gan: a compiled model.
        generator, discriminator: its networks.
        take: takes the step; see `TakeStep`.
        pure: whether ``take`` changes no variable, as a ``train_step`` of JAX with its state given;
            the variables' values may be out of reach then.
    """

    def __init__(
        self, gan: Any, generator: Any, discriminator: Any, take: TakeStep, pure: bool = False
    ) -> None:
        self._gan, self._take, self._pure = gan, take, pure
        self._networks = {G: generator, D: discriminator}
        self._optimizers = list(optimizers_of(gan).values())

    def observe(self, batch: Sequence[np.ndarray]) -> StepSeen:
        """Take the step and return what was seen of it; an error of the step passes through.

        Args:
            batch: the arrays of the batch that the step is given.
        """
        seen = StepSeen(self._networks[G], self._networks[D], batch=batch)
        updates = UpdatesSeen(self._optimizers, seen.generator, seen.discriminator, measure=norm)
        weights = {} if self._pure else {n: weights_of(one) for n, one in self._networks.items()}
        before = {name: values_of(found) for name, found in weights.items()}
        with self._undone(), _listening(seen):
            updates.start()
            try:
                seen.logs = self._take(unchanged, None)
            finally:
                updates.stop()
                _settle()
            for name, found in weights.items():
                seen.moved[name] = moved(found, before[name])
        seen.updates = updates.updates
        seen.find_shown()
        return seen

    def logs(self, changed: Changed, numbers: Any) -> Mapping[str, Any]:
        """Take the step again, with the same random draws but changed, and return its log."""
        with self._undone():
            return self._take(changed, numbers)

    @contextlib.contextmanager
    def _undone(self) -> Iterator[None]:
        """Undo everything that the block changes."""
        with contextlib.ExitStack() as stack:
            for name in _DRAWING if keras.backend.backend() == "tensorflow" else ():
                stack.enter_context(_repeatable(name))
            made: list[tuple[Any, np.ndarray]] = []
            for optimizer in self._optimizers:
                make = functools.partial(_built_first, optimizer, made)
                stack.enter_context(MethodPatch(optimizer, "apply", make))
            known = [] if self._pure else self._variables()
            layers = {id(one): one for part in self._gan.layers for one in sublayers(part)}
            with preserve_state(known, self._gan, *self._networks.values(), *layers.values()):
                yield
            older = {id(variable) for variable in known}
            for variable, value in made:
                variable.assign(value)
                older.add(id(variable))
            for variable in [] if self._pure else self._variables():
                if id(variable) not in older and variable.name != "learning_rate":
                    variable.assign(np.zeros(variable.shape, variable.dtype))  # of a new metric

    def _variables(self) -> list[Any]:
        owners = (self._gan, *self._networks.values(), *self._optimizers)
        found = {id(v): v for owner in owners for v in owner.variables}
        return list((found | {id(v): v for v in self._gan.metrics_variables}).values())


_DRAWING = ("normal", "uniform", "truncated_normal")
"""Functions of ``tf.random`` whose eager kernels go on where they were, whatever the seed."""


def _repeatable(name: str) -> MethodPatch:
    """Make a function of ``tf.random`` draw the same numbers in every step that is taken."""
    import tensorflow as tf

    stateless = getattr(tf.random, f"stateless_{name}")
    count = itertools.count()

    def make(_: Callable[..., Any]) -> Callable[..., Any]:
        def draw(shape: Any, *args: Any, seed: Any = None, **kwargs: Any) -> Any:  # noqa: ARG001
            return stateless(shape, (SEED, next(count)), *args, **kwargs)

        return draw

    return MethodPatch(tf.random, name, make)


def _built_first(
    optimizer: Any, made: list[tuple[Any, np.ndarray]], original: Callable[..., Any]
) -> Callable[..., Any]:
    """Note the values that an optimizer's variables have when its first call builds it."""

    def apply(grads: Any, trainable_variables: Any = None) -> Any:
        if not optimizer.built and trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            with keras.name_scope(optimizer.name, caller=optimizer):
                optimizer.build(trainable_variables)
            optimizer.built = True
            made.extend(zip(optimizer.variables, values_of(optimizer.variables), strict=True))
        return original(grads, trainable_variables)

    return apply


def norm(gradients: Sequence[Any]) -> float:
    """The Euclidean norm of all gradients together."""
    squares = [
        float(np.square(np.asarray(keras.ops.convert_to_numpy(g), "float64")).sum())
        for g in gradients
    ]
    return float(np.sqrt(sum(squares)))


@contextlib.contextmanager
def _listening(seen: StepSeen) -> Iterator[None]:
    """Record the inputs and outputs of both networks, their batch norms, and inputs of losses."""
    modes: dict[str, list[bool]] = {G: [], D: []}

    def see_loss(original: Callable[..., Any]) -> Callable[..., Any]:
        def loss(self: Any, y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
            _note(y_pred, lambda values: seen.losses.append((self, values)))
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
        stack.enter_context(spy(seen.generator, "call", see_drawn))
        stack.enter_context(spy(seen.discriminator, "call", see_shown))
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
