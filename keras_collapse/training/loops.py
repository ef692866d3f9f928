"""The monitor in a ``train_on_batch`` loop: each call watched, each G step one training step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.reader import FLOAT32_ROUNDING
from keras_collapse.training.updates import D, G, StandIn
from keras_collapse.training.wiring import fault, moved, values_of, weights_of

WIRING_STEPS = 2
"""D+G steps whose weights are compared before and after each call. A fault of the wiring shows in
the first; the second is for a D frozen only after its first step."""
MIXED_LABELS = 0.3
"""Spread of a batch's labels above which it holds real and fake samples together; smoothed or
noisy labels of one kind spread less."""


@dataclass(slots=True)
class Call:
    """One ``train_on_batch``, as it ended.

    Args:
        logs: name to the batch's own number, running means undone.
        rounding: name to its largest error.
        label: the mean of the labels; None where there were none, or of both kinds.
    """

    logs: Mapping[str, float]
    rounding: Mapping[str, float]
    label: float | None


class Calls:
    """Reads what ``train_on_batch`` of one model returns.

    Before Keras 3.15 that is the mean over all samples since the last ``reset_metrics``; the
    model's own sample count tells which, and undoes it: with M after W samples and M' after W',
    the batch's own number is (W M - W' M') / (W - W').

    Args:
        model: a compiled model.

    Attributes:
        cumulative: whether a number was a mean over more than its own batch.
    """

    def __init__(self, model: Any) -> None:
        self.cumulative = False
        self._model = model
        self._names: list[str] = []
        self._count = 0.0
        self._last: Mapping[str, float] = {}

    def read(self, returned: Any, labels: Any) -> Call:
        """The numbers of the call that has just returned."""
        means = self._named(returned)
        before, self._count = self._count, self._samples()
        last, self._last = self._last, means
        if not 0 < before < self._count or last.keys() != means.keys():
            rounding = {name: abs(mean) * FLOAT32_ROUNDING for name, mean in means.items()}
            return Call(means, rounding, _label(labels))
        self.cumulative = True
        fresh = self._count - before
        own = {n: (self._count * m - before * last[n]) / fresh for n, m in means.items()}
        stretch = FLOAT32_ROUNDING * (self._count + before) / fresh
        return Call(own, {n: abs(m) * stretch for n, m in means.items()}, _label(labels))

    def _named(self, returned: Any) -> dict[str, float]:
        """By the names that Keras gives them: its metrics in order, then the rest by name."""
        if isinstance(returned, Mapping):
            return {str(name): float(number) for name, number in returned.items()}
        numbers = [float(x) for x in np.atleast_1d(np.asarray(returned, dtype="float64"))]
        if len(self._names) != len(numbers):
            found = list(self._model.get_metrics_result())
            first = [m.name for m in self._model.metrics if m.name in found]
            self._names = [*first, *sorted(set(found) - set(first))]
        return dict(zip(self._names, numbers, strict=False))

    def _samples(self) -> float:
        """How many samples the model's loss is the mean of; 0 where it does not say."""
        for metric in self._model.metrics:
            if metric.name == "loss" and hasattr(metric, "count"):
                return float(keras.ops.convert_to_numpy(metric.count))
        return 0.0


def _label(labels: Any) -> float | None:
    if labels is None:
        return None
    values = np.asarray(keras.ops.convert_to_numpy(labels), dtype="float64")
    if values.size == 0 or values.max() - values.min() > MIXED_LABELS:
        return None
    return float(values.mean())


@dataclass(slots=True)
class Step:
    """The calls of one training step, which a call of G's ends."""

    d_calls: list[Call] = field(default_factory=list)

    def logs(self, g_call: Call) -> tuple[dict[str, float], dict[str, float]]:
        """The step's signals and their rounding.

        What G wants its fakes called is the label of "real": of D's calls, those with a label
        nearer to it were on real samples.
        """
        parts: dict[str, list[Call]] = {"g": [g_call]}
        real = g_call.label
        for call in self.d_calls:
            half = ""
            if call.label is not None and real is not None:
                half = "_real" if abs(call.label - real) < 0.5 else "_fake"
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


def _is_loss(name: str) -> bool:
    return name == "loss"


def _is_accuracy(name: str) -> bool:
    return "acc" in name.lower()


class LoopWatch:
    """Stands in for ``train_on_batch`` on D and on the combined model, and passes on what it sees.

    Args:
        generator, discriminator: the networks.
        combined: the model whose ``train_on_batch`` is G's step.
        see: called with the signals and their rounding at the end of each training step.
        report: called with each fault of the wiring, at the step it shows.
        guard: runs our own part of a call so that its fault never reaches the loop.
    """

    def __init__(
        self,
        generator: Any,
        discriminator: Any,
        combined: Any,
        see: Callable[[Mapping[str, float], Mapping[str, float]], None],
        report: Callable[[Finding], None],
        guard: Callable[..., None],
    ) -> None:
        self._networks = {G: generator, D: discriminator}
        self._models = {D: discriminator, "combined": combined}
        self._calls = {name: Calls(model) for name, model in self._models.items()}
        self._see, self._report, self._guard = see, report, guard
        self._step = Step()
        self._steps = 0
        self._moved: dict[str, set[str]] = {D: set(), "combined": set()}
        self._idle: set[str] = set()
        self._standing: list[StandIn] = []
        self._told: set[str] = set()

    def start(self) -> None:
        for name, model in self._models.items():
            make = functools.partial(self._standing_in, name)
            self._standing.append(StandIn(model, "train_on_batch", make))

    def stop(self) -> None:
        standing, self._standing = self._standing, []
        for one in reversed(standing):
            one.remove()

    def _standing_in(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def train_on_batch(x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
            if not self._standing:
                return original(x, y, *args, **kwargs)
            before: list[dict[str, Any]] = []
            if self._steps < WIRING_STEPS:
                self._guard(lambda: before.append(self._weights(name)))
            returned = original(x, y, *args, **kwargs)
            self._guard(self._take, name, returned, y, before)
            return returned

        return train_on_batch

    def _take(self, name: str, returned: Any, labels: Any, before: Sequence[Any]) -> None:
        call = self._calls[name].read(returned, labels)
        if before:
            self._compare(name, before[0])
        if name == D:
            self._step.d_calls.append(call)
            return
        step, self._step = self._step, Step()
        if self._steps < WIRING_STEPS:
            self._judge(step)
        self._steps += 1
        self._see(*step.logs(call))

    # -- the wiring ------------------------------------------------------------------------

    def _weights(self, name: str) -> dict[str, Any]:
        """What each network is made of and holds, before a call of the model named."""
        rate = keras.ops.convert_to_numpy(self._models[name].optimizer.learning_rate)
        if float(rate) == 0.0:  # a warm-up that begins at zero: nothing can move yet
            self._idle.add(name)
        found = {network: weights_of(self._networks[network]) for network in (G, D)}
        of_g = {id(variable) for variable in found[G]}
        found[D] = [variable for variable in found[D] if id(variable) not in of_g]
        return {network: (weights, values_of(weights)) for network, weights in found.items()}

    def _compare(self, name: str, before: Mapping[str, Any]) -> None:
        for network, (weights, values) in before.items():
            if moved(weights, values):
                self._moved[name].add(network)

    def _judge(self, step: Step) -> None:
        """Which call moved which network, in the step that has just ended."""
        of_d, of_g = self._moved[D], self._moved["combined"]
        kinds = {
            "discriminator_leak": D in of_g,
            "generator_leak": G in of_d,
            "discriminator_frozen": bool(step.d_calls) and D not in of_d and D not in self._idle,
            "generator_frozen": G not in of_g and "combined" not in self._idle,
            "shared_optimizer": self._shares_optimizer(),
        }
        evidence = {
            "changed_by_discriminator.train_on_batch": sorted(of_d),
            "changed_by_combined.train_on_batch": sorted(of_g),
        }
        for kind, found in kinds.items():
            if found:
                self._tell(fault(kind, self._steps, evidence))
        if any(calls.cumulative for calls in self._calls.values()):
            self._tell(_cumulative(self._steps))
        self._moved = {D: set(), "combined": set()}
        self._idle.clear()

    def _shares_optimizer(self) -> bool:
        return self._models[D].optimizer is self._models["combined"].optimizer

    def _tell(self, finding: Finding) -> None:
        if finding.kind not in self._told:
            self._told.add(finding.kind)
            self._report(finding)


def _cumulative(step: int) -> Finding:
    return Finding(
        "cumulative_metrics",
        Severity.INFO,
        0,
        step,
        "What train_on_batch returns here are means over all calls since compile: late failures "
        "hardly move them. They were un-averaged before anything was judged.",
        {"averaging": "run", "keras": keras.__version__},
        (
            "Call model.reset_metrics() before each train_on_batch, or use Keras 3.15 or newer, "
            "where train_on_batch reports its own batch.",
        ),
    )
