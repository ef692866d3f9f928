"""The wiring of a ``train_on_batch`` loop: what its first calls change, see and are taught."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.training.hooks.method_patch import StandIn, hearing, is_traced, sample_among
from keras_collapse.training.hooks.optimizer_calls import D, G
from keras_collapse.training.wiring.fit_wiring import fault, moved, values_of, weights_of
from keras_collapse.training.wiring.objectives import wrong_objective
from keras_collapse.training.wiring.recompilation import Compiles
from keras_collapse.training.wiring.step_checks import SHOWN_CHECKS, StepSeen, drawn_rows

WIRING_STEPS = 2
"""D+G steps whose weights are compared before and after each call. A fault of the wiring shows in
the first; the second is for a D frozen only after its first step."""
SAME_LABEL = 0.1
"""Distance of two batches' labels up to which they are one label: the closest labels of real and
fake that are in use, 0.9 and 0.1 or 0.7 and 0.3, are further apart."""
MOST_DRAWN = 50
"""Batches of G's to remember in a step, as of a loop that draws to look at them."""
LOOK_AT = 8
"""Samples that D scores once, so that its scores can be held against what its loss takes."""


@dataclass(slots=True)
class _Taught:
    """What the calls of one step were shown and taught."""

    shown: list[np.ndarray | None] = field(default_factory=list)
    drawn: list[np.ndarray] = field(default_factory=list)
    labels: list[float | None] = field(default_factory=list)


class LoopWiring:
    """Judges the wiring of a loop in its first steps, and its compiling throughout.

    Args:
        generator, discriminator: the networks.
        models: the models whose ``train_on_batch`` is watched, by name: `D` and ``combined``.
        report: called with each fault, at the step it shows.
        guard: runs our own part of a call so that its fault never reaches the loop.
    """

    def __init__(
        self,
        generator: Any,
        discriminator: Any,
        models: Mapping[str, Any],
        report: Callable[[Finding], None],
        guard: Callable[..., None],
    ) -> None:
        self._networks = {G: generator, D: discriminator}
        self._models = models
        self._report, self._guard = report, guard
        self._moved: dict[str, set[str]] = {name: set() for name in models}
        self._idle: set[str] = set()
        self._taught = _Taught()
        self._compiles = {name: Compiles() for name in models}
        self._standing: list[StandIn] = []
        self._told: set[str] = set()

    def start(self) -> None:
        """Hear what G draws, until `stop`."""
        hear = functools.partial(self._guard, self._hear)
        for name in ("call", "predict", "predict_on_batch"):
            self._standing.append(hearing(self._networks[G], name, hear))

    def stop(self) -> None:
        while self._standing:
            self._standing.pop().remove()

    # -- a call --------------------------------------------------------------------------------

    def before(self, name: str) -> dict[str, Any]:
        """What each network is made of and holds, before a call of the model named."""
        rate = keras.ops.convert_to_numpy(self._models[name].optimizer.learning_rate)
        if float(rate) == 0.0:  # a warm-up that begins at zero: nothing can move yet
            self._idle.add(name)
        found = {network: weights_of(self._networks[network]) for network in (G, D)}
        of_g = {id(variable) for variable in found[G]}
        found[D] = [variable for variable in found[D] if id(variable) not in of_g]
        return {network: (weights, values_of(weights)) for network, weights in found.items()}

    def after(self, name: str, before: Mapping[str, Any], inputs: Any, label: float | None) -> None:
        """What the call has changed, was shown and was taught."""
        for network, (weights, values) in before.items():
            if moved(weights, values):
                self._moved[name].add(network)
        if name == D:
            shown = _values(sample_among(inputs, self._networks[G]))
            self._taught.shown.append(shown)
            self._taught.labels.append(label)
            if shown is not None:
                self._judge_shown(shown)  # now: before G's step D is often frozen

    def compiled(self, name: str, step: int) -> None:
        """Look whether the model named has been compiled anew since its last call."""
        found = self._compiles[name].seen([self._models[name].optimizer], step)
        if found is not None:
            self._report(found)

    def _hear(self, _: Any, outputs: Any) -> None:
        if len(self._taught.drawn) < MOST_DRAWN:
            values = _values(outputs)
            if values is not None:
                self._taught.drawn.append(values)

    # -- a step --------------------------------------------------------------------------------

    def judge(self, step: int, g_label: float | None, cumulative: bool) -> None:
        """Judge the training step that has just ended.

        Args:
            step: its number.
            g_label: what G wants its samples called.
            cumulative: whether the numbers returned are means since the model was compiled.
        """
        self._judge_moves(step)
        if cumulative:
            self._tell(_cumulative(step))
        taught, self._taught = self._taught, _Taught()
        self._judge_labels(step, taught, g_label)

    def _judge_moves(self, step: int) -> None:
        """Which call moved which network."""
        of_d, of_g = self._moved[D], self._moved["combined"]
        kinds = {
            "discriminator_leak": D in of_g,
            "generator_leak": G in of_d,
            "discriminator_frozen": bool(self._taught.labels)
            and D not in of_d
            and D not in self._idle,
            "generator_frozen": G not in of_g and "combined" not in self._idle,
            "shared_optimizer": self._models[D].optimizer is self._models["combined"].optimizer,
        }
        evidence = {
            "changed_by_discriminator.train_on_batch": sorted(of_d),
            "changed_by_combined.train_on_batch": sorted(of_g),
        }
        for kind, found in kinds.items():
            if found:
                self._tell(fault(kind, step, evidence))
        self._moved = {name: set() for name in self._models}
        self._idle.clear()

    def _judge_labels(self, step: int, taught: _Taught, g_label: float | None) -> None:
        """Is D taught two labels, and G that of real samples? Said where fakes are recognised."""
        labels: dict[bool, list[float]] = {True: [], False: []}
        for shown, label in zip(taught.shown, taught.labels, strict=True):
            if shown is None or label is None:
                return
            fake = drawn_rows(shown, taught.drawn)
            if fake.any() and not fake.all():
                return
            labels[bool(fake.all())].append(label)
        if not all(labels.values()):
            return
        real, fakes = float(np.mean(labels[False])), float(np.mean(labels[True]))
        evidence = {"label_of_real": real, "label_of_fake": fakes, "label_for_generator": g_label}
        every = [*labels[False], *labels[True]]
        if max(every) - min(every) < SAME_LABEL:
            self._tell(wrong_objective("discriminator_objective", step, evidence))
        elif g_label is not None and abs(g_label - fakes) < SAME_LABEL <= abs(real - fakes):
            self._tell(wrong_objective("generator_objective", step, evidence))

    def _judge_shown(self, shown: np.ndarray) -> None:
        """The scale of the data, D's loss and its batch norm, from what one call was given."""
        drawn = self._taught.drawn
        seen = StepSeen(self._networks[G], self._networks[D], drawn=drawn, shown=[shown])
        model = self._models[D]
        loss = keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss
        if isinstance(loss, keras.losses.Loss) and isinstance(model.input_shape, tuple):
            scores = _values(model(shown[:LOOK_AT], training=False))
            if scores is not None:
                seen.losses.append((loss, scores))
        for check in SHOWN_CHECKS:
            for finding in check(seen):
                self._tell(finding)

    def _tell(self, finding: Finding) -> None:
        if finding.kind not in self._told:
            self._told.add(finding.kind)
            self._report(finding)


def _values(tensor: Any) -> np.ndarray | None:
    """A copy of a tensor's values; None of a traced one, or where there is none."""
    if tensor is None or isinstance(tensor, list | tuple | dict) or is_traced(tensor):
        return None
    return np.array(keras.ops.convert_to_numpy(tensor))


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
