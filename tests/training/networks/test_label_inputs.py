"""The same latents under several labels, however a generator takes them; and in real fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from tiny import GAN, ring

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SamplesChecked
from keras_collapse.training.networks.label_inputs import class_numbers, under_labels
from keras_collapse.training.probe import prober

RNG = np.random.default_rng(0)
LATENTS = RNG.standard_normal((64, 3)).astype("float32")
NUMBERS = RNG.integers(0, 5, 64)
ONEHOT = np.eye(5, dtype="float32")[NUMBERS]


@pytest.mark.parametrize("labels", [NUMBERS, NUMBERS[:, None], NUMBERS.astype("f4"), ONEHOT])
def test_the_same_latents_are_given_under_each_label(labels: np.ndarray) -> None:
    found = under_labels([LATENTS, labels])
    assert found is not None
    count, [latents, given] = found
    assert count == 4
    assert len(latents) == len(given) == 32
    assert all(np.array_equal(part, LATENTS[:8]) for part in np.split(latents, 4))
    assert given.dtype == labels.dtype
    of_each = [np.unique(part, axis=0) for part in np.split(given, 4)]
    assert [len(part) for part in of_each] == [1] * 4
    assert len(np.unique(np.concatenate(of_each), axis=0)) == 4


def test_labels_in_the_latents_input_are_exchanged_alone() -> None:
    found = under_labels({"x": np.concatenate([LATENTS, ONEHOT], axis=1)})
    assert found is not None
    _, given = found
    assert np.array_equal(given["x"][:8, :3], given["x"][8:16, :3])
    assert (given["x"][:8, 3:] != given["x"][8:16, 3:]).any()


@pytest.mark.parametrize(
    "inputs",
    [
        LATENTS,
        [LATENTS, np.ones(64)],  # a constant, such as a resolution's weight
        [NUMBERS],
        ONEHOT,
        (LATENTS > 0).astype("float32"),  # latents of zeros and ones
        [LATENTS, RNG.integers(0, 256, (64, 4, 4, 1))],  # an image
        [LATENTS[:4], NUMBERS[:4]],
    ],
)
def test_inputs_without_labels_or_latents_are_left_alone(inputs: Any) -> None:
    assert under_labels(inputs) is None


def test_classes_are_read_from_numbers_and_one_hot_rows_only() -> None:
    for labels in (NUMBERS, NUMBERS[:, None], ONEHOT):
        found = class_numbers(labels)
        assert found is not None
        assert np.array_equal(found, NUMBERS)
    assert class_numbers(LATENTS) is None
    assert class_numbers(LATENTS[:, 0]) is None


# -- in real fits ------------------------------------------------------------------------------

DATA = ring(512)
CLASS = (np.round(np.arctan2(DATA[:, 1], DATA[:, 0]) / (np.pi / 4)) % 8).astype("int64")


class Labelled(GAN):
    """A tiny conditional GAN; its G may have a label input that leads nowhere."""

    def __init__(self, ignores: bool) -> None:
        z, label = keras.Input((3,), name="noise"), keras.Input((8,), name="label")
        g = layers.Concatenate()([z, 0 * label if ignores else label])
        g = layers.Dense(2)(layers.Dense(16, "relu")(g))
        x, beside = keras.Input((2,)), keras.Input((8,), name="d_label")
        d = layers.Dense(16, "relu")(layers.Concatenate()([x, beside]))
        d = layers.Dense(1, "sigmoid")(d)
        generator = keras.Model([z, label], g, name="generator")
        super().__init__(generator, keras.Model([x, beside], d, name="discriminator"), seed=7)
        quick = {"jit_compile": False} if keras.backend.backend() == "tensorflow" else {}
        self.compile(*(keras.optimizers.RMSprop(1e-3) for _ in range(2)), **quick)

    def _one_step(self, data: Any) -> Any:
        samples, self._labels = data
        return super()._one_step(samples)

    def _scored(self, samples: Any, label: float, part: str) -> Any:
        score = self.discriminator([samples, self._labels], training=True)
        loss = ops.mean(ops.square(score - label))
        acc = ops.mean(ops.cast((score > 0.5) == (label > 0.5), "float32"))
        return loss, {part.format("loss"): loss, part.format("acc"): acc}

    def _drawn(self, count: Any) -> Any:
        latents = keras.random.normal((count, 3), seed=self.latent_seed)
        return self.generator([latents, self._labels], training=True)

    def _loss_on_real(self, real: Any) -> Any:
        return self._scored(real, 1.0, "d_{}_real")

    def _loss_on_fake(self, real: Any) -> Any:
        return self._scored(self._drawn(ops.shape(real)[0]), 0.0, "d_{}_fake")

    def _generator_loss(self, real: Any) -> Any:
        return self._scored(self._drawn(ops.shape(real)[0]), 1.0, "g_{}")


@pytest.mark.backend
@pytest.mark.parametrize("ignores", [False, True])
def test_a_fit_whose_generator_ignores_its_labels_is_named(
    ignores: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "APART", 1)
    labels = np.eye(8, dtype="float32")[CLASS]
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    Labelled(ignores).fit(DATA, labels, batch_size=4, epochs=6, verbose=0, callbacks=[monitor])
    found = [r.values for r in read_journal(tmp_path / "run") if isinstance(r, SamplesChecked)]
    assert {"label_effect", "label_agreement", "class_missing_share"} <= found[-1].keys()
    assert (found[-1]["label_effect"] < 1e-9) == ignores
    kinds = [finding.kind for finding in monitor.verdict.findings]
    assert ("labels_ignored" in kinds) == ignores
    assert kc.diagnose(tmp_path / "run") == monitor.verdict
