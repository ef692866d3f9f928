"""The probe: fixed latents, a fixed sample of the data, and what G and D make of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_collapse.core.errors import InputError
from keras_collapse.core.samples.alone import SamplesAlone
from keras_collapse.core.samples.classes import ClassSamples
from keras_collapse.core.samples.diversity import LEAST_SAMPLES, RealSample
from keras_collapse.core.samples.probe import APART, Probe
from keras_collapse.training.networks.conditioning import given_to_d, given_to_g
from keras_collapse.training.networks.discovery import Networks
from keras_collapse.training.networks.label_inputs import class_numbers, draw_with_effect
from keras_collapse.training.networks.layers import REACH, SLACK, last_activation
from keras_collapse.training.networks.sampling import infer
from keras_collapse.training.probe.g_inputs import GInputs, inputs_seen
from keras_collapse.training.probe.held_out import Data
from keras_collapse.training.probe.pictures import image_grid, scatter
from keras_collapse.training.probe.real_data import SEED, BatchReservoir, RealData, real_among
from keras_collapse.training.probe.signs import Signs
from keras_collapse.training.probe.training_mode import mode_gap
from keras_collapse.training.wiring.step_seen import StepSeen

SHOWN = 32
"""Samples in the picture."""
DRAWN = 256
"""Samples that are compared: half of eight modes missing show for certain from a hundred on."""


@dataclass(frozen=True, slots=True)
class SampleCheck:
    """The result of one sample check.

    Args:
        samples: float32 (32, ...), of the first latents.
        probe: the numbers; without real samples, or less than `APART` steps after the last
            comparison, those of `SamplesAlone` only.
        picture: samples side by side, or points over the data's, uint8; None of anything else.
    """

    samples: np.ndarray
    probe: Probe
    picture: np.ndarray | None


class Prober:
    """Checks the samples of a pair of networks, at steps that depend on nothing but the training.

    A conditional generator gets the real samples' own labels, and D the same for both kinds.

    Args:
        networks: with a generator. Where its inputs are not known, nothing is drawn before `learn`.
        real: some of the data as D is shown it; None if it was not found.
        sees_batches: whether `show` will be called: then the first batches become the real sample
            if there is no other.
        given: what else is known of the data when the training begins.

    Attributes:
        unavailable_reason: why samples are not compared with the data; empty where they are, or
            will be.
    """

    def __init__(
        self,
        networks: Networks,
        real: RealData | None,
        sees_batches: bool = False,
        given: Data = Data(),  # noqa: B008  # it is frozen
    ) -> None:
        self.unavailable_reason = ""
        self._networks, self._features = networks, given.features
        self._signs = Signs(networks, given)
        self._real: RealData | None = None
        self._sample: RealSample | None = None
        self._classes: ClassSamples | None = None  # of a G that is given the data's labels
        self._drawn_classes = np.zeros(0, np.int64)
        self._inputs: Any = None
        self._learned: GInputs | None = None
        self._found = real is not None  # without looking at batches
        if not networks.conditions and networks.latent_shape is not None:
            self._inputs = _latents(networks.latent_shape)
        self._reach = REACH.get(last_activation(networks.generator) or "", (-np.inf, np.inf))
        self._alone = SamplesAlone(self._reach)
        self._compared_at = -APART  # the step of the last comparison
        shape = networks.sample_shape
        self._reservoir: BatchReservoir | None = None
        if real is None and sees_batches and shape is not None:
            self._reservoir = BatchReservoir(shape)
        else:
            self._compare_with(real)

    def show(self, batch: Any) -> bool:
        """Take a batch of real data, nested arrays or tensors; return whether more are wanted."""
        if self._reservoir is None:
            return False
        self._reservoir.take(batch)
        return not self._reservoir.done

    def learn(self, seen: StepSeen) -> None:
        """Take one training step as seen: what G is given in it, and which samples are real."""
        inputs = inputs_seen(seen)
        shape = self._networks.sample_shape or (seen.drawn[0].shape[1:] if seen.drawn else None)
        if inputs is None or shape is None:
            return
        self._learned = inputs
        if self._networks.conditions:
            return  # labels are looked for in the data first, which D's scores need too
        self._inputs = inputs.draw(DRAWN, SEED)
        if inputs.places or (not self._found and self._reservoir is None):
            self._reservoir, self._sample = BatchReservoir(shape), None
        if self._reservoir is not None:
            self._reservoir = BatchReservoir(shape, seen.real_place, inputs.places)

    def settle(self) -> None:
        """Stop collecting batches: those seen so far are the real sample from now on."""
        if self._reservoir is not None:
            arrays, parts = self._reservoir.arrays, self._reservoir.parts
            shape, self._reservoir = self._reservoir.shape, None
            if self._learned is not None and self._learned.places <= parts.keys():
                self._inputs = self._learned.draw(DRAWN, SEED, parts)
            self._compare_with(real_among(arrays, shape, self._networks.conditions))

    def check(self, step: int) -> SampleCheck | None:
        """Draw and measure samples, and compare them if that is due; to be called where `draw` may.

        Returns:
            None if nothing can be drawn, since a conditional generator's labels are not known.
        """
        if self._reservoir is not None and (self._reservoir.done or len(self._reservoir) >= DRAWN):
            self.settle()
        if self._inputs is None:
            return None
        inputs = self._inputs
        enough = len(keras.tree.flatten(inputs)[0]) >= LEAST_SAMPLES
        due = step - self._compared_at >= APART
        compares = self._sample is not None and enough and due
        if not compares:
            inputs = keras.tree.map_structure(lambda part: part[:SHOWN], inputs)
        samples, effect = draw_with_effect(self._networks.generator, inputs)
        numbers = self._alone.measure(samples[:SHOWN].reshape(len(samples[:SHOWN]), -1))
        if self._sample is not None:  # relative to the data, repeats are judged better
            numbers.pop("duplicate_share", None)
        if effect is not None:
            numbers["label_effect"] = effect
        few = keras.tree.map_structure(lambda part: part[:SHOWN], inputs)
        gap = mode_gap(self._networks.generator, few, samples[:SHOWN])
        if gap is not None:
            numbers["mode_gap"] = gap
        if compares:
            numbers |= self._compared(samples)
            self._compared_at = step
        return SampleCheck(samples[:SHOWN], Probe(step, numbers), self._picture(samples))

    def _compared(self, samples: np.ndarray) -> dict[str, float]:
        """The comparison with the real sample, and D's scores."""
        assert self._sample is not None
        assert self._real is not None
        values = self._sample.compare(samples).to_dict()
        known = {name: float(value) for name, value in values.items() if value is not None}
        if self._classes is not None:
            known |= self._classes.compare(samples.reshape(len(samples), -1), self._drawn_classes)
        return known | self._signs.measure(self._real, samples) | self._scores(samples)

    def _picture(self, samples: np.ndarray) -> np.ndarray | None:
        grid = image_grid(samples[:SHOWN])
        if grid is None and self._real is not None:
            return scatter(samples, self._real.samples)
        return grid

    def _compare_with(self, real: RealData | None) -> None:
        """Prepare the real sample, unless G could never draw it: then D sees other data."""
        what = "(samples, labels)" if self._networks.conditions else "some_samples"
        cure = f"give CollapseMonitor(real={what}) as D is shown them"
        self.unavailable_reason = f"no training data were seen that can be compared; {cure}"
        if real is None:
            return
        if self._networks.conditions and not self._condition_on(real):
            self.unavailable_reason = f"G takes labels, and none were found with the data; {cure}"
            return
        if self._inputs is not None and len(keras.tree.flatten(self._inputs)[0]) < LEAST_SAMPLES:
            self.unavailable_reason = (
                "G's inputs are made of the batch within the step, and too few of them are known"
            )
            return
        shape, own = self._networks.sample_shape, real.samples.shape[1:]
        if shape is not None and math.prod(shape) != math.prod(own):
            self.unavailable_reason = (
                f"the real samples have the shape {own} and G's {shape}; {cure}"
            )
            return
        low, high = self._reach
        least, most = real.samples.min(), real.samples.max()
        if least < low - SLACK or most > high + SLACK:
            name = last_activation(self._networks.generator)
            why = f"the data lie in [{least:g}, {most:g}], which G's {name} cannot reach"
            self.unavailable_reason = f"{why}; {cure}"
            return
        try:
            self._sample = RealSample(real.samples, features=self._features)
        except InputError as error:
            self.unavailable_reason = str(error)
            return
        self._real, self.unavailable_reason = real, ""
        classes = class_numbers(real.labels) if real.labels is not None else None
        if classes is not None:
            self._classes = ClassSamples(real.samples.reshape(len(real.samples), -1), classes)
            self._drawn_classes = _cycled(classes)

    def _condition_on(self, real: RealData) -> bool:
        """Give G the real samples' labels, else labels as in a training step; False without any."""
        if real.condition is not None and real.labels is not None:
            latents = _latents(real.condition.latent_shape)
            self._inputs = given_to_g(
                self._networks.generator, real.condition, latents, _cycled(real.labels)
            )
        elif self._learned is not None:
            self._inputs = self._learned.draw(DRAWN, SEED)
        return self._inputs is not None

    def _scores(self, samples: np.ndarray) -> dict[str, float]:
        """D's scores on both kinds, in inference mode; empty if they cannot be computed."""
        judge = self._networks.discriminator
        if judge is None or self._real is None:
            return {}
        real, labels = self._real.samples[:DRAWN], self._real.labels
        given = (
            given_to_d(judge, real, None if labels is None else labels[:DRAWN]),
            given_to_d(judge, samples, None if labels is None else _cycled(labels)),
        )
        pairs = [tuple(_scored(judge, x) for x in pair) for pair in zip(*given, strict=False)]
        known = [(r, f) for r, f in pairs if r is not None and f is not None]
        if not known:
            return {}
        # D may take labels in two ways; it separates better with the one that it was trained with.
        real, fake = max(known, key=lambda pair: separation(*pair))
        found = answers(real, fake, 0.5 if last_activation(judge) == "sigmoid" else None)
        return {name: number for name, number in found.items() if np.isfinite(number)}


def _latents(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(SEED).standard_normal((DRAWN, *shape), np.float32)


def _cycled(labels: np.ndarray) -> np.ndarray:
    """One label for each sample that is drawn, from the first on and round again."""
    return np.resize(labels, (DRAWN, *labels.shape[1:]))


def _scored(judge: Any, inputs: Any) -> np.ndarray | None:
    """D's mean score of each sample, float64 (n,); None where it gives several answers."""
    scores = infer(judge, inputs)
    if isinstance(scores, list | tuple | dict):
        return None
    scores = np.asarray(keras.ops.convert_to_numpy(scores), "float64")
    return np.asarray(scores.reshape(len(scores), -1).mean(axis=1))


def answers(real: np.ndarray, fake: np.ndarray, middle: float | None) -> dict[str, float]:
    """D's scores as the numbers of a probe.

    Args:
        real, fake: scores (n,) and (m,).
        middle: the threshold between "fake" and "real"; None if scores have none.
    """
    found = {
        "d_score_real": float(real.mean()),
        "d_score_fake": float(fake.mean()),
        "separation": separation(real, fake),
    }
    if middle is not None:
        found["d_acc_real"] = float((real > middle).mean())
        found["d_acc_fake"] = float((fake <= middle).mean())
    return found


def separation(real: np.ndarray, fake: np.ndarray) -> float:
    """D's ranking accuracy: the area under its ROC curve, at least 0.5.

    Args:
        real, fake: scores (n,) and (m,).

    Returns:
        In [0.5, 1]; 0.5 means that D separates nothing. Ties count half.

    >>> separation(np.array([0.9, 0.8]), np.array([0.1, 0.85]))
    0.75
    """
    apart = np.sign(real[:, None] - fake[None, :])
    area = float((apart + 1).mean() / 2)
    return max(area, 1 - area)
