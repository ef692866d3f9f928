"""Watching a ``train_on_batch`` loop: every call is read, and each G step ends a training step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_collapse.core.advice import Driver, Setting
from keras_collapse.core.readings.log_reader import FLOAT32_ROUNDING
from keras_collapse.reproducibility.fingerprints import batch_digest
from keras_collapse.training.hooks.method_patch import MethodPatch
from keras_collapse.training.hooks.optimizer_calls import D
from keras_collapse.training.loops.labels import Labels, label_of, real_rows
from keras_collapse.training.networks.discovery import takes_images
from keras_collapse.training.observer import LoopObserver
from keras_collapse.training.wiring.first_step import arrays_of_batch
from keras_collapse.training.wiring.loop_wiring import WIRING_STEPS, LoopWiring


@dataclass(slots=True)
class Call:
    """The result of one ``train_on_batch``.

    Args:
        logs: name to the batch's own number, running means undone.
        rounding: name to its largest error.
        label: the mean of the labels; None if there were none, or of both kinds.
        data: a hash of the inputs; None if they are not in the host's memory.
    """

    logs: Mapping[str, float]
    rounding: Mapping[str, float]
    label: float | None
    data: str | None = None


class Calls:
    """Reads the numbers that ``train_on_batch`` of one model returns.

    Before Keras 3.15 that is the mean over all samples since the last ``reset_metrics``; the
    model's own sample count tells which, and undoes it: with M after W samples and M' after W',
    the batch's own number is (W M - W' M') / (W - W').

    Args:
        model: a compiled model.

    Attributes:
        cumulative: whether any number was a mean over more than its own batch.
    """

    def __init__(self, model: Any) -> None:
        self.cumulative = False
        self._model = model
        self._names: list[str] = []
        self._count = 0.0
        self._last: Mapping[str, float] = {}

    def read(self, returned: Any, labels: Any, inputs: Any = None) -> Call:
        """Read the call that has just returned."""
        data = batch_digest(inputs)
        means = self._named(returned)
        before, self._count = self._count, self._samples()
        last, self._last = self._last, means
        if not 0 < before < self._count or last.keys() != means.keys():
            rounding = {name: abs(mean) * FLOAT32_ROUNDING for name, mean in means.items()}
            return Call(means, rounding, label_of(labels), data)
        self.cumulative = True
        fresh = self._count - before
        own = {n: (self._count * m - before * last[n]) / fresh for n, m in means.items()}
        stretch = FLOAT32_ROUNDING * (self._count + before) / fresh
        return Call(own, {n: abs(m) * stretch for n, m in means.items()}, label_of(labels), data)

    def _named(self, returned: Any) -> dict[str, float]:
        """The numbers by Keras' names: its metrics in order, then the rest by name."""
        if isinstance(returned, Mapping):
            return {str(name): float(number) for name, number in returned.items()}
        numbers = [float(x) for x in np.atleast_1d(np.asarray(returned, dtype="float64"))]
        if len(self._names) != len(numbers):
            found = list(self._model.get_metrics_result())
            first = [m.name for m in self._model.metrics if m.name in found]
            self._names = [*first, *sorted(set(found) - set(first))]
        return dict(zip(self._names, numbers, strict=False))

    def _samples(self) -> float:
        """The number of samples that the model's loss is the mean of; 0 if unknown."""
        for metric in self._model.metrics:
            if metric.name == "loss" and hasattr(metric, "count"):
                return float(keras.ops.convert_to_numpy(metric.count))
        return 0.0


@dataclass(slots=True)
class Step:
    """The calls of one training step, which a call of G's ends, and what D was given in each."""

    d_calls: list[Call] = field(default_factory=list)
    given: list[tuple[Any, Any]] = field(default_factory=list)

    def real_batches(self, g_call: Call, labels: Labels, g_inputs: Any) -> Iterator[list[Any]]:
        """What D was given with real samples, with its labels and the images that G was given."""
        images = [part for part in keras.tree.flatten(g_inputs) if len(part.shape) > 2]
        for call, (inputs, own) in zip(self.d_calls, self.given, strict=True):
            if labels.is_real(call.label, g_call.label):
                yield [*keras.tree.flatten(inputs), *keras.tree.flatten(own), *images]
            elif call.label is None and g_call.label is not None:
                yield [*real_rows(inputs, own, g_call.label), *images]

    def logs(self, g_call: Call, labels: Labels) -> tuple[dict[str, float], dict[str, float]]:
        """The step's signals and their rounding."""
        parts: dict[str, list[Call]] = {"g": [g_call]}
        for call in self.d_calls:
            is_real = labels.is_real(call.label, g_call.label)
            half = "" if is_real is None else "_real" if is_real else "_fake"
            parts.setdefault(f"d{half}", []).append(call)
        logs: dict[str, float] = {}
        rounding: dict[str, float] = {}
        for part, calls in parts.items():
            network, _, half = part.partition("_")
            for quantity, is_it in (("loss", _is_loss), ("acc", _is_accuracy)):
                known = [(c, name) for c in calls for name in c.logs if is_it(name)]
                if known:
                    signal = "_".join(filter(None, (network, quantity, half)))
                    logs[signal] = float(np.mean([c.logs[name] for c, name in known]))
                    rounding[signal] = max(c.rounding[name] for c, name in known)
        for quantity in ("loss", "acc"):
            halves = [f"d_{quantity}_real", f"d_{quantity}_fake"]
            if f"d_{quantity}" not in logs and all(half in logs for half in halves):
                logs[f"d_{quantity}"] = sum(logs[half] for half in halves) / 2
                rounding[f"d_{quantity}"] = max(rounding[half] for half in halves)
        return logs, rounding

    def data(self, g_call: Call, labels: Labels) -> dict[str, str]:
        """Hashes of what came from outside: the real samples and G's latents."""
        real = [c.data for c in self.d_calls if c.data and labels.is_real(c.label, g_call.label)]
        found = {"real": "".join(real), "latents": g_call.data}
        return {name: digest for name, digest in found.items() if digest}


def _is_loss(name: str) -> bool:
    return name == "loss"


def _is_accuracy(name: str) -> bool:
    return "acc" in name.lower()


class LoopWatch:
    """Patches ``train_on_batch`` of D and of the combined model, and passes on what it sees.

    Args:
        generator, discriminator: the networks.
        combined: the model whose ``train_on_batch`` is G's step.
        observer: takes each training step, the wiring faults, and the batches of real samples that
            D is trained on.
    """

    def __init__(
        self, generator: Any, discriminator: Any, combined: Any, observer: LoopObserver
    ) -> None:
        self._models = {D: discriminator, "combined": combined}
        self._calls = {name: Calls(model) for name, model in self._models.items()}
        self._observer = observer
        self._wiring = LoopWiring(generator, discriminator, self._models, observer)
        self._labels = Labels()
        self._step = Step()
        self._steps = 0
        self._patches: list[MethodPatch] = []

    def start(self) -> None:
        """Patch both models."""
        self._observer.see_setting(Setting(Driver.TRAIN_ON_BATCH))
        for name, model in self._models.items():
            make = functools.partial(self._watched, name)
            self._patches.append(MethodPatch(model, "train_on_batch", make))
        self._wiring.start()

    def stop(self) -> None:
        """Restore both models."""
        self._wiring.stop()
        while self._patches:
            self._patches.pop().remove()

    def _watched(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def train_on_batch(x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
            if not self._patches:
                return original(x, y, *args, **kwargs)
            guard = self._observer.guard
            before: list[dict[str, Any]] = []
            guard(self._wiring.compiled, name, self._steps)
            if self._steps < WIRING_STEPS:
                guard(lambda: before.append(self._wiring.before(name)))
            returned = original(x, y, *args, **kwargs)
            guard(self._take, name, returned, x, y, before)
            return returned

        return train_on_batch

    def _take(
        self, name: str, returned: Any, inputs: Any, labels: Any, before: Sequence[Any]
    ) -> None:
        call = self._calls[name].read(returned, labels, inputs)
        if before:
            self._wiring.after(name, before[0], inputs, labels)
        if name == D:
            self._step.d_calls.append(call)
            self._step.given.append((inputs, labels))
            self._labels.add(call.label)
            return
        step, self._step = self._step, Step()
        batches = list(step.real_batches(call, self._labels, inputs))
        if self._steps < WIRING_STEPS:
            cumulative = any(calls.cumulative for calls in self._calls.values())
            seen = self._wiring.judge(self._steps, call.label, cumulative)
            if self._steps == 0 and batches and takes_images(seen.generator):
                seen.batch = arrays_of_batch(batches[0])
                self._observer.see_first_step(seen)
        for batch in batches:
            self._observer.see_batch(batch)
        self._steps += 1
        if self._steps == WIRING_STEPS:
            self._wiring.stop()
            self._observer.see_setting(Setting(Driver.TRAIN_ON_BATCH, self._wiring.checked))
        logs, rounding = step.logs(call, self._labels)
        self._observer.see_step(logs, rounding, step.data(call, self._labels))
