"""Facts of a run: which numbers of a log are Keras' means since the epoch began."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from tiny import once, tiny_gan

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import ReaderSettings
from keras_collapse.training.metadata import facts_of, metric_names

pytestmark = pytest.mark.backend()


class Compiled(keras.Model):
    """A model whose metrics are given to ``compile`` and updated in its own step."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
        self.discriminator = keras.Sequential([keras.Input((2,)), layers.Dense(1, "sigmoid")])

    def call(self, x: Any) -> Any:
        return self.discriminator(x)

    def compute_loss(self, *_: Any, **__: Any) -> Any:
        return ops.mean(ops.square(self.discriminator(self.generator(ops.ones((4, 4))))))


class Names(keras.callbacks.Callback):
    """The names before the first step and after it, and what a log holds."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.before = metric_names(self.model)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.logged = set(logs)


def fit(callbacks: list[Any], metrics: list[Any]) -> None:
    model = Compiled()
    quick = {"jit_compile": False} if keras.backend.backend() == "tensorflow" else {}
    model.compile(optimizer="sgd", metrics=metrics, **quick)
    x, y = np.ones((32, 2), "float32"), np.ones((32, 1), "float32")
    model.fit(x, y, batch_size=8, epochs=1, verbose=0, callbacks=callbacks)


def test_metrics_given_to_compile_are_known_before_the_first_step() -> None:
    names = Names()
    fit([names], ["mae", keras.metrics.BinaryAccuracy(name="d_acc")])
    assert names.logged == {"loss", "mae", "d_acc"}
    assert names.logged <= names.before


def test_a_log_of_compiled_metrics_is_read_as_means_of_the_epoch(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    fit([monitor], [keras.metrics.BinaryAccuracy(name="d_acc"), "mse"])
    [settings] = [r for r in read_journal(tmp_path / "run") if isinstance(r, ReaderSettings)]
    assert settings.averaging == "epoch"
    assert "d_acc" in (settings.means or [])


def test_without_compiled_metrics_there_are_those_of_the_model_only() -> None:
    gan = tiny_gan()
    assert metric_names(gan) == {metric.name for metric in gan.metrics}


@once
@pytest.mark.parametrize("private", [True, False])
def test_names_are_read_without_keras_serialiser_where_that_is_possible(
    private: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It imports TensorFlow on every backend: seconds."""
    model = Compiled()
    model.compile(optimizer="sgd", metrics=["mae", keras.metrics.BinaryAccuracy(name="d_acc")])
    given: Any = None  # has no names
    if not private:
        model._compile_config = None
        given = {"metrics": ["mae", {"class_name": "Mean", "config": {"name": "d_acc"}}]}
    monkeypatch.setattr(Compiled, "get_compile_config", lambda _: given, raising=False)
    assert {"mae", "d_acc"} <= metric_names(model)


@once
def test_a_secret_attribute_is_not_a_fact() -> None:
    gan = tiny_gan()
    gan.api_key, gan.hf_token, gan.latent_words = "hunter2", "hunter2", 3
    facts = facts_of(gan, {})
    assert "hunter2" not in str(facts)
    assert [value for name, value in facts.items() if name.endswith("api_key")] == ["***"]
