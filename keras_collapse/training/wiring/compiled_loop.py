"""The compiled functions of a loop on TensorFlow: what a step does, and which data it is given.

The networks of a compiled step are called with symbolic tensors. But the loop calls its functions
with the data, and the same functions can be run uncompiled: after the loop's first step it is taken
once more, as the first step of a ``fit`` is, and undone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from keras_collapse.core.advice import Driver, Setting
from keras_collapse.core.findings import Finding
from keras_collapse.training.hooks.method_patch import MethodPatch
from keras_collapse.training.networks.preserve_state import preserve_state
from keras_collapse.training.observer import Observer
from keras_collapse.training.wiring.first_step import (
    MOST_SECONDS,
    arrays_of_batch,
    judge_step,
    not_checked,
    parts_checked,
)
from keras_collapse.training.wiring.observed_step import Changed, ObservedStep
from keras_collapse.training.wiring.step_seen import StepSeen, drawn_rows
from keras_collapse.training.wiring.undone import same_draws

MOST_CALLS = 12
"""Compiled calls of a step that is taken again; a step of more is left alone. Their arguments are
kept until the step ends."""


@dataclass(frozen=True, slots=True)
class Called:
    """One call of a compiled function: its arguments, and what it returned."""

    function: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    returned: Any

    def again(self) -> Any:
        """Call the function again."""
        return self.function(*self.args, **self.kwargs)

    @property
    def given(self) -> list[np.ndarray]:
        """The arrays among the arguments."""
        return arrays_of_batch([self.args, self.kwargs])


class CompiledLoop:
    """Checks the first step of a loop whose step is a ``tf.function``, and finds its real samples.

    Args:
        generator, discriminator: the networks.
        observer: takes findings, the step as it was seen, and batches.
    """

    def __init__(self, generator: Any, discriminator: Any, observer: Observer) -> None:
        self._generator, self._discriminator = generator, discriminator
        self._observer = observer
        self._calls: list[Called] = []  # of the step so far
        self._checked = False
        self._source: Any = None  # the function that is given the real samples, at this place
        self._place = 0
        self._inside = False
        self._patch: MethodPatch | None = None

    def start(self) -> None:
        """Observe calls of compiled functions, until `stop` or until there are enough samples."""
        import tensorflow as tf

        compiled = type(tf.function(lambda: None))
        self._patch = MethodPatch(compiled, "__call__", self._watched)

    def stop(self) -> None:
        """Observe no more; stopping twice has no effect."""
        if self._patch is not None:
            self._patch.remove()
            self._patch = None
        self._calls.clear()

    def after_step(self, step: int, logs: Mapping[str, Any]) -> None:
        """Check the first step, and hand over the real samples of any other.

        Args:
            step: the training step that has just ended.
            logs: its numbers.
        """
        calls, self._calls = self._calls, []
        if self._patch is None:
            return
        if not self._checked:
            self._checked = True
            self._check(step, calls, logs)
        elif self._source is not None:
            given = [one.given for one in calls if one.function is self._source]
            batches = [_real_first(arrays, self._place) for arrays in given]
            if not all(self._observer.see_batch(batch) for batch in batches):
                self.stop()
        if self._source is None:
            self.stop()

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        import tensorflow as tf

        def call(function: Any, *args: Any, **kwargs: Any) -> Any:
            if self._patch is None or self._inside or not tf.executing_eagerly():
                return original(function, *args, **kwargs)
            self._inside = True
            try:
                returned = original(function, *args, **kwargs)
            finally:
                self._inside = False
            wanted = not self._checked or function is self._source
            if wanted and len(self._calls) <= MOST_CALLS:
                if self._calls and self._calls[-1].function is function:
                    self._calls.pop()  # of several D steps one is enough
                self._calls.append(Called(function, args, kwargs, returned))
            return returned

        return call

    def _check(self, step: int, calls: Sequence[Called], logs: Mapping[str, Any]) -> None:
        if not calls:
            return
        found: list[Finding] = []
        began = time.process_time()
        self._inside = True
        try:
            taken = _again(self._generator, self._discriminator, calls, logs)
            seen = taken.observe([])
            given = [one.given for one in calls]
            chosen = _given_real(seen, given)
            if chosen is not None:
                call, self._place = chosen
                self._source = calls[call].function
                seen.batch = _real_first(given[call], self._place)
            found = judge_step(seen, taken, MOST_SECONDS - (time.process_time() - began))
        except _CannotRepeat as reason:
            found = [not_checked(f"the training step, which {reason}")]
        except Exception as error:  # the user's function may not run uncompiled
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            found = [not_checked(f"the training step, which fails uncompiled ({why})")]
        else:
            self._observer.see_first_step(seen)
            self._observer.see_setting(Setting(Driver.UPDATE, parts_checked(seen, found)))
            if self._source is not None and not self._observer.see_batch(seen.batch):
                self._source = None
        finally:
            self._inside = False
        for finding in found:
            self._observer.report(replace(finding, first_step=step, last_step=step))


class _CannotRepeat(Exception):
    """The step cannot be taken again without changing the training; the message says why."""


def _again(
    generator: Any, discriminator: Any, calls: Sequence[Called], logs: Mapping[str, Any]
) -> ObservedStep:
    """A step of compiled calls, uncompiled."""
    import tensorflow as tf

    if len(calls) > MOST_CALLS:
        raise _CannotRepeat(f"makes more than {MOST_CALLS} compiled calls")
    variables = _variables_of(calls)
    names = _names_of([one.returned for one in calls], logs)

    @contextlib.contextmanager
    def undo() -> Iterator[None]:
        kept = [(variable, variable.numpy()) for variable in variables]
        with same_draws(), preserve_state((), generator, discriminator):
            try:
                yield
            finally:
                for variable, value in kept:
                    if variable.numpy().tobytes() != value.tobytes():
                        variable.assign(value)

    def take(changed: Changed, numbers: Any) -> Mapping[str, float]:
        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            with changed(numbers), tf.summary.record_if(False):
                returned = [one.again() for one in calls]
        finally:
            tf.config.run_functions_eagerly(before)
        return dict(zip(names, _numbers_in(returned), strict=True))

    return ObservedStep(generator, discriminator, take, undo)


def _variables_of(calls: Sequence[Called]) -> list[Any]:
    """The variables that these calls use; `_CannotRepeat` if they use anything else with a state.

    An iterator or a data set that a call is given would be drawn from once more.
    """
    import tensorflow as tf

    found: dict[int, Any] = {}
    for one in calls:
        parts = keras.tree.flatten([one.args, one.kwargs])
        if any(isinstance(part, tf.data.Iterator | tf.data.Dataset) for part in parts):
            raise _CannotRepeat("draws its own batches")
        concrete = one.function.get_concrete_function(*one.args, **one.kwargs)
        found |= {id(variable): variable for variable in concrete.variables}
        handles = {id(variable.handle) for variable in concrete.variables}
        for tensor in concrete.captured_inputs:
            if tensor.dtype in (tf.resource, tf.variant) and id(tensor) not in handles:
                raise _CannotRepeat("uses a summary writer, an iterator or another resource")
    return list(found.values())


def _names_of(returned: Any, logs: Mapping[str, Any]) -> list[str]:
    """A name for each number that a step returns: that of a logged number of its value."""
    left = {name: float(number) for name, number in logs.items()}
    names = []
    for place, number in enumerate(_numbers_in(returned)):
        name = next((n for n, logged in left.items() if logged == number), f"output {place}")
        left.pop(name, None)
        names.append(name)
    return names


def _numbers_in(returned: Any) -> list[float]:
    parts = [part for part in keras.tree.flatten(returned) if part is not None]
    single = [part for part in parts if not _is_array(part)]
    return [float(keras.ops.convert_to_numpy(part)) for part in single if not isinstance(part, str)]


def _is_array(part: Any) -> bool:
    return len(getattr(part, "shape", ())) > 0


def _given_real(seen: StepSeen, given: Sequence[Sequence[np.ndarray]]) -> tuple[int, int] | None:
    """The call, and its array, that is given the real samples; None if that is not certain.

    They are what D is shown and G did not draw, else what has their shape. A loop may also pass on
    what G has drawn outside of these calls.
    """
    shape = seen.drawn[0].shape[1:] if seen.drawn else None
    fits = {
        (call, place): array
        for call, arrays in enumerate(given)
        for place, array in enumerate(arrays)
        if array.shape[1:] == shape and not drawn_rows(array, seen.drawn).any()
    }
    is_shown = [at for at, x in fits.items() if replace(seen, batch=[x]).real_place is not None]
    found = is_shown or list(fits)
    same = all(np.array_equal(fits[at], fits[found[0]]) for at in found)
    return found[0] if found and same else None


def _real_first(arrays: Sequence[np.ndarray], place: int) -> list[np.ndarray]:
    """The real samples and what belongs to them, without other arrays of their shape."""
    real = arrays[place]
    return [real, *(x for x in arrays if x.shape[1:] != real.shape[1:])]
