"""The wiring of a ``train_on_batch`` loop: what its first calls change, and with which labels."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_collapse.core.advice import BATCH_NORM, LABELS, UPDATES, Driver
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.training.hooks.method_patch import MethodPatch, is_traced, sample_among, spy
from keras_collapse.training.hooks.optimizer_calls import D, G
from keras_collapse.training.networks.layers import batch_norms
from keras_collapse.training.observer import Observer
from keras_collapse.training.wiring.fit_wiring import fault, moved, values_of, weights_of
from keras_collapse.training.wiring.objectives import wrong_objective
from keras_collapse.training.wiring.recompilation import Compiles
from keras_collapse.training.wiring.step_checks import SHOWN_CHECKS, batch_norm_mismatch
from keras_collapse.training.wiring.step_seen import StepSeen, drawn_rows

WIRING_STEPS = 2
"""D+G steps whose weights are compared before and after each call. A wiring fault shows in the
first; the second is for a D that is frozen only after its first step."""
SAME_LABEL = 0.1
"""Distance of two batches' mean labels up to which they are the same label: the closest labels of
real and fake in use, 0.9 and 0.1 or 0.7 and 0.3, are further apart."""
MOST_DRAWN = 50
"""Batches of G's that are kept in a step: a loop may draw more of them for pictures."""
SCORED = 8
"""Samples that D scores once, to compare the range of its scores with what its loss expects."""


@dataclass(slots=True)
class StepRecord:
    """What D was shown in one training step, with which labels, and what G drew in it."""

    shown: list[np.ndarray | None] = field(default_factory=list)
    drawn: list[np.ndarray] = field(default_factory=list)
    labels: list[float | None] = field(default_factory=list)


class LoopWiring:
    """Checks the wiring of a loop in its first steps, and calls of ``compile`` throughout.

    Args:
        generator, discriminator: the networks.
        models: the models whose ``train_on_batch`` is patched, by name: `D` and ``combined``.
        observer: takes each fault at the step where it shows.
    """

    def __init__(
        self,
        generator: Any,
        discriminator: Any,
        models: Mapping[str, Any],
        observer: Observer,
    ) -> None:
        self._networks = {G: generator, D: discriminator}
        self._models = models
        self._observer = observer
        self._moved: dict[str, set[str]] = {name: set() for name in models}
        self._idle: set[str] = set()
        self._record = StepRecord()
        self._compiles = {name: Compiles() for name in models}
        self._patches: list[MethodPatch] = []
        self._reported: set[str] = set()
        self.checked: frozenset[str] = frozenset()
        # Whether D's batch norm could use its batch's statistics when each model was first called:
        # Keras reads the flag while it traces the step.
        self._trains_batch_norm: dict[str, bool] = {}

    def start(self) -> None:
        """Observe what G draws, until `stop`."""
        see = functools.partial(self._observer.guard, self._see_drawn)
        for name in ("call", "predict", "predict_on_batch"):
            self._patches.append(spy(self._networks[G], name, see))

    def stop(self) -> None:
        while self._patches:
            self._patches.pop().remove()

    # -- a call --------------------------------------------------------------------------------

    def before(self, name: str) -> dict[str, Any]:
        """The weights of both networks and their values before a call of the model ``name``."""
        rate = keras.ops.convert_to_numpy(self._models[name].optimizer.learning_rate)
        if float(rate) == 0.0:  # a warm-up that begins at zero: nothing can move yet
            self._idle.add(name)
        norms = batch_norms(self._networks[D], frozen=True)
        if norms:
            self._trains_batch_norm.setdefault(name, any(layer.trainable for layer in norms))
        found = {network: weights_of(self._networks[network]) for network in (G, D)}
        of_g = {id(variable) for variable in found[G]}
        found[D] = [variable for variable in found[D] if id(variable) not in of_g]
        return {network: (weights, values_of(weights)) for network, weights in found.items()}

    def after(self, name: str, before: Mapping[str, Any], inputs: Any, label: float | None) -> None:
        """Compare with `before` what the call has changed, and keep what it was shown."""
        for network, (weights, values) in before.items():
            if moved(weights, values):
                self._moved[name].add(network)
        if name == D:
            shown = _values(sample_among(inputs, self._networks[G]))
            self._record.shown.append(shown)
            self._record.labels.append(label)
            if shown is not None:
                self._judge_shown(shown)  # now: before G's step D is often frozen

    def compiled(self, name: str, step: int) -> None:
        """Report if the model ``name`` was compiled again since its last call."""
        found = self._compiles[name].seen([self._models[name].optimizer], step)
        if found is not None:
            self._observer.report(found)

    def _see_drawn(self, _: Any, outputs: Any) -> None:
        if len(self._record.drawn) < MOST_DRAWN:
            values = _values(outputs)
            if values is not None:
                self._record.drawn.append(values)

    # -- a step --------------------------------------------------------------------------------

    def judge(self, step: int, g_label: float | None, cumulative: bool) -> None:
        """Check the training step that has just ended.

        Args:
            step: its number.
            g_label: the label of G's step.
            cumulative: whether the numbers returned are means since the model was compiled.
        """
        self._judge_moves(step)
        modes = self._trains_batch_norm
        # The statistics of a batch of both kinds are much like the moving averages.
        separate = "mixed_batchnorm" not in self._reported
        if separate and modes.get(D) and modes.get("combined") is False:
            evidence = {"frozen_in": "combined.train_on_batch"}
            self._report(batch_norm_mismatch(step, evidence, Driver.TRAIN_ON_BATCH))
        if cumulative:
            self._report(_cumulative(step))
        record, self._record = self._record, StepRecord()
        self._judge_labels(step, record, g_label)

    def _judge_moves(self, step: int) -> None:
        """Check which call changed which network."""
        of_d, of_g = self._moved[D], self._moved["combined"]
        kinds = {
            "discriminator_leak": D in of_g,
            "generator_leak": G in of_d,
            "discriminator_frozen": bool(self._record.labels)
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
                self._report(fault(kind, step, evidence, Driver.TRAIN_ON_BATCH))
        if D in of_d and G in of_g:
            self.checked |= {UPDATES, BATCH_NORM}
        self._moved = {name: set() for name in self._models}
        self._idle.clear()

    def _judge_labels(self, step: int, record: StepRecord, g_label: float | None) -> None:
        """Check that D gets two labels and G the label of real samples, if fakes are recognised."""
        labels: dict[bool, list[float]] = {True: [], False: []}
        for shown, label in zip(record.shown, record.labels, strict=True):
            if shown is None or label is None:
                return
            fake = drawn_rows(shown, record.drawn)
            if fake.any() and not fake.all():
                return
            labels[bool(fake.all())].append(label)
        if not all(labels.values()):
            return
        real, fakes = float(np.mean(labels[False])), float(np.mean(labels[True]))
        evidence = {"label_of_real": real, "label_of_fake": fakes, "label_for_generator": g_label}
        every = [*labels[False], *labels[True]]
        if max(every) - min(every) < SAME_LABEL:
            self._report(wrong_objective("discriminator_objective", step, evidence))
        elif g_label is not None and abs(g_label - fakes) < SAME_LABEL <= abs(real - fakes):
            self._report(wrong_objective("generator_objective", step, evidence))
        elif g_label is not None:
            self.checked |= {LABELS}

    def _judge_shown(self, shown: np.ndarray) -> None:
        """Check the data's scale, D's loss and its batch norm, with what one call was given."""
        drawn = self._record.drawn
        seen = StepSeen(self._networks[G], self._networks[D], drawn=drawn, shown=[shown])
        model = self._models[D]
        loss = keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss
        if isinstance(loss, keras.losses.Loss) and isinstance(model.input_shape, tuple):
            scores = _values(model(shown[:SCORED], training=False))
            if scores is not None:
                seen.losses.append((loss, scores))
        for check in SHOWN_CHECKS:
            for finding in check(seen):
                self._report(finding)

    def _report(self, finding: Finding) -> None:
        if finding.kind not in self._reported:
            self._reported.add(finding.kind)
            self._observer.report(finding)


def _values(tensor: Any) -> np.ndarray | None:
    """A copy of a tensor's values; None if it is symbolic or no tensor."""
    if tensor is None or isinstance(tensor, list | tuple | dict) or is_traced(tensor):
        return None
    return np.array(keras.ops.convert_to_numpy(tensor))


def _cumulative(step: int) -> Finding:
    return Finding(
        "cumulative_metrics",
        Severity.INFO,
        0,
        step,
        "train_on_batch returns means over all calls since compile here: late failures hardly move "
        "them. The monitor has un-averaged them.",
        {"averaging": "run", "keras": keras.__version__},
        (
            "Call model.reset_metrics() before each train_on_batch, or use Keras 3.15 or newer, "
            "where train_on_batch reports its own batch.",
        ),
    )
