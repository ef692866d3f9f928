"""Conditional GANs are probed with the labels of real data, however the labels go in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from tiny import GAN, ring, slow_where_compiled, weights

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SamplesChecked
from keras_collapse.training.networks.conditioning import conditions_of, given_to_d, labels_like
from keras_collapse.training.networks.discovery import Networks, networks_of
from keras_collapse.training.probe import prober
from keras_collapse.training.probe.prober import Prober, SampleCheck
from keras_collapse.training.probe.real_data import arrays_of, real_among

pytestmark = pytest.mark.backend()

CLASSES = 8
ANGLES = np.arange(CLASSES) * np.pi / 4
CENTRES = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype("float32")
DATA = ring(512)
NUMBERS = (np.round(np.arctan2(DATA[:, 1], DATA[:, 0]) / (np.pi / 4)) % CLASSES).astype("int64")
ONEHOT = np.eye(CLASSES, dtype="float32")[NUMBERS]
LATENT = 3


@pytest.fixture(autouse=True)
def every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """These fits are shorter than the steps between two comparisons."""
    monkeypatch.setattr(prober, "APART", 1)


# -- networks that show which label they were given --------------------------------------------


def centre(label: Any) -> Any:
    """The point of the ring that a label names, whatever its form."""
    if label.shape[1:] == (CLASSES,):
        return ops.matmul(label, CENTRES)
    return ops.take(ops.convert_to_tensor(CENTRES), ops.cast(ops.reshape(label, (-1,)), "int32"), 0)


class Around(layers.Layer):
    """The label's own point, moved a little by the latent."""

    def call(self, z: Any, label: Any) -> Any:
        return centre(label) + 0.01 * z[:, :2]


class Fitting(layers.Layer):
    """How well a sample fits its label: 0 where it lies on the label's point, less elsewhere."""

    def call(self, x: Any, label: Any) -> Any:
        return -ops.sum(ops.abs(x - centre(label)), axis=-1, keepdims=True)


def told(way: str) -> tuple[Any, Any]:
    """G and D that take labels in the way named."""
    if way == "joined":
        z, x = keras.Input((LATENT + CLASSES,)), keras.Input((2 + CLASSES,))
        g = keras.Model(z, Around()(z[:, :LATENT], z[:, LATENT:]))
        return g, keras.Model(x, Fitting()(x[:, :2], x[:, 2:]))
    shape = {"numbers": (1,), "scalars": ()}.get(way, (CLASSES,))
    kind = "int32" if way in ("numbers", "scalars") else "float32"
    z, x = keras.Input((LATENT,), name="noise"), keras.Input((2,), name="sample")
    label, beside = (keras.Input(shape, dtype=kind, name=name) for name in ("label", "beside"))
    drawn, score = Around()(z, label), Fitting()(x, beside)
    if way == "dictionary":
        return (
            keras.Model({"noise": z, "label": label}, drawn),
            keras.Model({"sample": x, "beside": beside}, score),
        )
    if way == "unnamed":  # and wider than a latent: the data tell
        z, label = keras.Input((LATENT,)), keras.Input((CLASSES,))
        return keras.Model([label, z], Around()(z, label)), keras.Model([x, beside], score)
    if way == "label first":
        return keras.Model([label, z], drawn), keras.Model([beside, x], score)
    return keras.Model([z, label], drawn), keras.Model([x, beside], score)


WAYS = ("numbers", "scalars", "onehot", "label first", "dictionary", "unnamed", "joined")


def looked(networks: Networks, data: Any) -> tuple[Prober, SampleCheck | None]:
    assert networks.sample_shape is not None
    found = real_among(arrays_of(data), networks.sample_shape, networks.conditions)
    looking = Prober(networks, found)
    return looking, looking.check(0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("labels", [NUMBERS, NUMBERS[:, None], ONEHOT], ids=["n", "n1", "onehot"])
def test_g_and_d_are_given_the_labels_of_the_real_samples(way: str, labels: np.ndarray) -> None:
    if labels is ONEHOT and way in ("numbers", "scalars"):
        pytest.skip("one-hot labels for a network that takes numbers are left alone")
    networks = networks_of(*told(way))
    found = real_among([DATA, labels], (2,), networks.conditions)
    assert found is not None
    real = found.samples[: prober.SHOWN]
    looking, look = looked(networks, (DATA, labels))
    assert looking.unavailable_reason == ""
    assert look is not None
    assert look.probe is not None
    assert np.abs(look.samples - real).max() < 0.4  # of one class each; the next is 0.7 away
    assert look.probe.values["modes_covered"] == CLASSES
    assert look.probe.values["d_score_fake"] > -0.1
    assert look.probe.values["d_score_real"] > -0.2


def test_labels_that_cannot_be_found_cost_the_samples_and_say_what_to_do() -> None:
    for way in WAYS:
        looking, look = looked(networks_of(*told(way)), (DATA, np.zeros(len(DATA))))
        assert look is None
        assert "G takes labels, and none were found" in looking.unavailable_reason
        assert "CollapseMonitor(real=(samples, labels))" in looking.unavailable_reason


def test_labels_given_are_taken(tmp_path: Path) -> None:
    g, d = told("numbers")
    monitor = kc.CollapseMonitor(every=2, run_dir=tmp_path / "run", verbose=0, real=(DATA, NUMBERS))
    with monitor.watching(generator=g, discriminator=d):
        for _ in range(2):
            monitor.update(d_loss=0.7, g_loss=0.7)
    [probe] = [r for r in read_journal(tmp_path / "run") if isinstance(r, SamplesChecked)]
    assert probe.values["d_score_fake"] > -0.1


# -- which input is which ----------------------------------------------------------------------


def two_inputs(*inputs: Any) -> keras.Model:
    return keras.Model(list(inputs), layers.Dense(2)(layers.Concatenate()(list(inputs))))


@pytest.mark.parametrize(
    ("inputs", "size", "latents"),
    [
        ([("noise", 8), ("input", 8)], None, [0]),
        ([("input", 8), ("class_label", 8)], None, [0]),
        ([("y", 8), ("z", 8)], None, [1]),
        ([("a", 8), ("b", 5)], 5, [1]),
        ([("a", 1), ("b", 5)], None, [1]),
        ([("a", 8), ("b", 5)], None, [0, 1]),
    ],
)
def test_the_latent_is_told_by_name_by_size_or_by_the_data(
    inputs: list[tuple[str, int]], size: int | None, latents: list[int]
) -> None:
    g = two_inputs(*(keras.Input((width,), name=name) for name, width in inputs))
    found = conditions_of(g, None, size)
    assert [condition.position for condition in found] == latents
    assert all(
        condition.latent_shape == (inputs[position][1],)
        for condition, position in zip(found, latents, strict=True)
    )


def test_joined_labels_are_told_by_the_models_latent_size_or_by_ds_channels() -> None:
    g = keras.Sequential([keras.Input((13,)), layers.Dense(16), layers.Reshape((4, 4, 1))])
    wide = keras.Sequential([keras.Input((4, 4, 11)), layers.Flatten(), layers.Dense(1)])
    plain = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(1)])
    assert [c.label_shape for c in conditions_of(g, plain, 3)] == [(10,)]
    assert [c.label_shape for c in conditions_of(g, wide)] == [(10,)]
    assert conditions_of(g, plain) == conditions_of(g, plain, 13) == ()


def test_ds_channels_hold_the_labels_as_people_repeat_them() -> None:
    """Once with a channel each, once as Keras' own example reshapes them."""
    d = keras.Sequential([keras.Input((4, 4, 1 + CLASSES)), layers.Flatten(), layers.Dense(1)])
    images = np.random.default_rng(0).normal(size=(5, 4, 4, 1)).astype("float32")
    onehot = ONEHOT[:5]
    each, example = given_to_d(d, images, onehot)
    assert np.array_equal(each[..., :1], images)
    assert np.array_equal(example[..., :1], images)
    assert (each[..., 1:] == onehot[:, None, None, :]).all()
    repeated = np.repeat(onehot[:, :, None, None], 16).reshape(-1, 4, 4, CLASSES)
    assert np.array_equal(example[..., 1:], repeated)


def test_channels_first_labels_are_channels_too() -> None:
    d = keras.Sequential([keras.Input((1 + CLASSES, 4, 4)), layers.Flatten(), layers.Dense(1)])
    [shown] = given_to_d(d, np.zeros((5, 1, 4, 4), "float32"), ONEHOT[:5])
    assert (shown[:, 1:] == ONEHOT[:5, :, None, None]).all()


def test_what_is_no_label_is_not_taken_for_one() -> None:
    assert labels_like(np.array([0.5, 1.5]), (1,)) is None
    assert labels_like(np.array([0, 8]), (8,)) is None
    assert labels_like(np.array([-1, 1]), (8,)) is None
    assert labels_like(np.zeros((3, 5)), (8,)) is None
    assert labels_like(np.array(["a", "b"]), (1,)) is None


# -- in real fits ------------------------------------------------------------------------------


class Conditional(GAN):
    """A tiny GAN that is told classes: as numbers beside, or one-hot in Keras' own example's way.

    Args:
        joined: whether labels stand in the same input as latents, and as samples.
    """

    def __init__(self, joined: bool) -> None:
        size, self_drawn = (LATENT + CLASSES, 2 + CLASSES), [layers.Dense(16, "relu")]
        self_drawn += [layers.BatchNormalization(), layers.Dense(2)]
        judged = [layers.Dense(16, "relu"), layers.Dropout(0.3), layers.Dense(1, "sigmoid")]
        if joined:
            g = keras.Sequential([keras.Input((size[0],)), *self_drawn], name="generator")
            d = keras.Sequential([keras.Input((size[1],)), *judged], name="discriminator")
        else:
            g = _with_numbers(LATENT, self_drawn, "generator")
            d = _with_numbers(2, judged, "discriminator")
        super().__init__(g, d, seed=7)
        self.joined, self.latent_dim = joined, LATENT
        quick = {"jit_compile": False} if keras.backend.backend() == "tensorflow" else {}
        rates = (keras.optimizers.RMSprop(1e-3) for _ in range(2))
        self.compile(*rates, **quick)

    def _one_step(self, data: Any) -> Any:
        samples, self._labels = data
        return super()._one_step(samples)

    def _told(self, network: Any, inputs: Any) -> Any:
        if self.joined:
            return network(ops.concatenate([inputs, self._labels], axis=1), training=True)
        return network([inputs, ops.reshape(self._labels, (-1, 1))], training=True)

    def _draw(self, count: Any) -> Any:
        latents = keras.random.normal((count, LATENT), seed=self.latent_seed)
        return self._told(self.generator, latents)

    def _scored(self, samples: Any, label: float, part: str) -> Any:
        score = self._told(self.discriminator, samples)
        loss = ops.mean(ops.square(score - label))
        acc = ops.mean(ops.cast((score > 0.5) == (label > 0.5), "float32"))
        return loss, {part.format("loss"): loss, part.format("acc"): acc}

    def _loss_on_real(self, real: Any) -> Any:
        return self._scored(real, 1.0, "d_{}_real")

    def _loss_on_fake(self, real: Any) -> Any:
        return self._scored(self._draw(ops.shape(real)[0]), 0.0, "d_{}_fake")

    def _generator_loss(self, real: Any) -> Any:
        return self._scored(self._draw(ops.shape(real)[0]), 1.0, "g_{}")


def _with_numbers(width: int, parts: list[Any], name: str) -> keras.Model:
    main, label = keras.Input((width,)), keras.Input((1,), dtype="int32", name=f"{name}_label")
    x = layers.Concatenate()([main, layers.Flatten()(layers.Embedding(CLASSES, 3)(label))])
    for part in parts:
        x = part(x)
    return keras.Model([main, label], x, name=name)


@pytest.mark.first_step
@pytest.mark.parametrize(
    "joined",
    [
        pytest.param(False, id="beside", marks=slow_where_compiled),
        pytest.param(True, id="joined"),
    ],
)
@pytest.mark.usefixtures("as_users_compile")
def test_a_conditional_fit_is_probed_without_set_up_and_trained_to_the_same_bits(
    joined: bool, tmp_path: Path
) -> None:
    labels = ONEHOT if joined else NUMBERS

    def train(callbacks: list[Any]) -> list[np.ndarray]:
        kc.seed_everything(3)
        gan = Conditional(joined)
        gan.fit(DATA, labels, batch_size=64, epochs=2, verbose=0, callbacks=callbacks)
        return weights(gan)

    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    bare, watched = train([]), train([monitor])
    assert all(np.array_equal(a, b) for a, b in zip(bare, watched, strict=True))
    found = [r.values for r in read_journal(tmp_path / "run") if isinstance(r, SamplesChecked)]
    assert len(found) == 2
    assert found[-1]["modes_real"] == CLASSES
    assert {"missing_share", "separation", "d_acc_real"} <= found[-1].keys()


def test_a_conditional_fit_without_labels_in_sight_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gan = Conditional(joined=False)
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", real=DATA)
    gan.fit(DATA, NUMBERS, batch_size=64, epochs=1, verbose=0, callbacks=[monitor])
    said = capsys.readouterr().out
    assert said.count("G takes labels, and none were found with the data") == 1
    assert not [r for r in read_journal(tmp_path / "run") if isinstance(r, SamplesChecked)]
