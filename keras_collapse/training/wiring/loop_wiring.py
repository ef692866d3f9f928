"""The wiring of a ``train_on_batch`` loop: what its first calls change, and with which labels."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_collapse.core.advice import BATCH_NORM, LABELS, UPDATES, Driver
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.training.hooks.method_patch import MethodPatch, is_traced, spy
from keras_collapse.training.hooks.optimizer_calls import D, G
from keras_collapse.training.hooks.recompilation import Compiles
from keras_collapse.training.networks.layers import batch_norms
from keras_collapse.training.observer import Observer
from keras_collapse.training.wiring.fit_wiring import (
    constant_rate,
    fault,
    frozen,
    moved,
    values_of,
    weights_of,
)
from keras_collapse.training.wiring.objectives import wrong_objective
from keras_collapse.training.wiring.step_checks import (
    SHOWN_CHECKS,
    batch_norm_mismatch,
    check_label_reaches,
)
from keras_collapse.training.wiring.step_seen import StepSeen

WIRING_STEPS = 2
"""D+G steps whose weights are compared before and after each call. A wiring fault shows in the
first; the second is for a D that is frozen only after its first step."""
SAME_LABEL = 0.1
"""Distance of two mean labels up to which they are the same, besides twice its standard error where
labels are noisy: the closest labels of real and fake in use, 0.7 and 0.3, are further apart."""
MOST_DRAWN = 50
"""Batches of G's that are kept in a step: a loop may draw more of them for pictures."""
SCORED = 8
"""Samples that D scores once, to compare the range of its scores with what its loss expects."""


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
        self._idle: set[str] = set()  # models whose rate is 0 in this step, and in the last
        self._idle_before: set[str] = set()
        self._seen = self._nothing_seen()
        self._labels: list[np.ndarray | None] = []  # of D's calls, one for each row
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

    def after(self, name: str, before: Mapping[str, Any], inputs: Any, labels: Any) -> None:
        """Compare with `before` what the call has changed, and keep what it was shown."""
        for network, (weights, values) in before.items():
            if moved(weights, values):
                self._moved[name].add(network)
        values = [_values(part) for part in keras.tree.flatten(inputs)]
        if name == D:
            self._seen.inputs_of_d.append(values)
            self._labels.append(labels_of_rows(labels))
            self._judge_shown(inputs)  # now: before G's step D is often frozen
        elif self._are_of_g(values):
            self._seen.given, self._seen.structure = [values], inputs

    def compiled(self, name: str, step: int) -> None:
        """Report if the model ``name`` was compiled again since its last call."""
        found = self._compiles[name].seen([self._models[name].optimizer], step)
        if found is not None:
            self._observer.report(found)

    def _see_drawn(self, _: Any, outputs: Any) -> None:
        if len(self._seen.drawn) < MOST_DRAWN:
            values = _values(outputs)
            if values is not None:
                self._seen.drawn.append(values)

    def _nothing_seen(self) -> StepSeen:
        return StepSeen(self._networks[G], self._networks[D])

    def _are_of_g(self, values: Sequence[np.ndarray | None]) -> bool:
        """Whether these inputs of the combined model are inputs of G."""
        wanted = [tuple(one.shape)[1:] for one in getattr(self._networks[G], "inputs", None) or ()]
        return len(values) == len(wanted) and all(
            part is not None and part.shape[1:] in (shape, () if shape == (1,) else shape)
            for part, shape in zip(values, wanted, strict=True)
        )

    # -- a step --------------------------------------------------------------------------------

    def judge(self, step: int, g_label: float | None, cumulative: bool) -> StepSeen:
        """Check the training step that has just ended, and return what was seen of it.

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
        seen, self._seen = self._seen, self._nothing_seen()
        labels, self._labels = self._labels, []
        seen.find_shown()
        self._judge_labels(step, seen, labels, g_label)
        for finding in check_label_reaches(seen):
            self._report(replace(finding, first_step=step, last_step=step))
        return seen

    def _judge_moves(self, step: int) -> None:
        """Check which call changed which network."""
        of_d, of_g = self._moved[D], self._moved["combined"]
        kinds = {
            "discriminator_leak": D in of_g,
            "generator_leak": G in of_d,
            "discriminator_frozen": bool(self._labels) and D not in of_d and D not in self._idle,
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
        for model, network in ((D, D), ("combined", G)):
            still = model in self._idle & self._idle_before  # no warm-up that has just begun
            if still and constant_rate(self._models[model].optimizer) == 0:
                self._report(frozen(network, step, evidence, 0.0))
        if D in of_d and G in of_g:
            self.checked |= {UPDATES, BATCH_NORM}
        self._moved = {name: set() for name in self._models}
        self._idle, self._idle_before = set(), self._idle

    def _judge_labels(
        self,
        step: int,
        seen: StepSeen,
        labels: Sequence[np.ndarray | None],
        g_label: float | None,
    ) -> None:
        """Check that D gets two labels and G the label of real samples, if fakes are recognised."""
        of_real: list[np.ndarray] = []
        of_fake: list[np.ndarray] = []
        for fake, of_call in zip(seen.fake, labels, strict=True):
            if fake is None or of_call is None or len(of_call) != len(fake):
                return
            of_real.append(of_call[~fake])
            of_fake.append(of_call[fake])
        if not sum(map(len, of_real)) or not sum(map(len, of_fake)):
            return
        kinds = [np.concatenate(of_kind) for of_kind in (of_real, of_fake)]
        real, fakes = (float(of_kind.mean()) for of_kind in kinds)
        error = float(np.sqrt(sum(of_kind.var() / len(of_kind) for of_kind in kinds)))
        evidence = {
            "label_of_real": round(real, 3),
            "label_of_fake": round(fakes, 3),
            "label_for_generator": g_label,
        }
        if abs(real - fakes) < SAME_LABEL + 2 * error:
            self._report(wrong_objective("discriminator_objective", step, evidence))
        elif g_label is not None and 2 * abs(g_label - fakes) < abs(g_label - real):
            self._report(wrong_objective("generator_objective", step, evidence))
        elif g_label is not None:
            self.checked |= {LABELS}

    def _judge_shown(self, inputs: Any) -> None:
        """Check the data's scale, D's loss and its batch norm, with what one call was given."""
        seen = replace(self._seen, inputs_of_d=self._seen.inputs_of_d[-1:], losses=[])
        seen.find_shown()
        model = self._models[D]
        by_name = ("binary_crossentropy", keras.losses.binary_crossentropy)
        loss = keras.losses.BinaryCrossentropy() if model.loss in by_name else model.loss
        if isinstance(loss, keras.losses.Loss):
            few = keras.tree.map_structure(lambda part: part[:SCORED], inputs)
            scores = _values(model(few, training=False))
            if scores is not None:
                seen.losses.append((loss, scores))
        for check in SHOWN_CHECKS:
            for finding in check(seen):
                self._report(finding)

    def _report(self, finding: Finding) -> None:
        if finding.kind not in self._reported:
            self._reported.add(finding.kind)
            self._observer.report(finding)


def labels_of_rows(labels: Any) -> np.ndarray | None:
    """The labels of a batch, one for each row, float64 (n,).

    Of several outputs' labels, the first that are one number a row; None if there are none.
    """
    for part in keras.tree.flatten(labels):
        values = _values(part) if len(getattr(part, "shape", ())) else None
        if values is not None and values.size == len(values):
            return np.asarray(values.reshape(-1), "float64")
    return None


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
