"""Real pairs of runs: `compare` says whether they are identical, and where and why they part."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from paths import ROOT, TESTS
from programs import BACKEND, BATCH, LATENT, ONES, ZEROS, networks, rmsprop
from tiny import GAN, ring, tiny_gan

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import Fingerprint
from keras_collapse.reproducibility.compare import Comparison, compare

pytestmark = [pytest.mark.backend(), pytest.mark.slow("tensorflow", "jax")]

EPOCHS, EPOCH = 2, 4  # of four steps each


@dataclass
class Recipe:
    """How a run is made; each field is something that two runs may differ in."""

    seed: int = 3
    build: Callable[[], GAN] = tiny_gan
    before_fit: Callable[[GAN], object] = lambda gan: None
    data: Callable[[], Any] = lambda: ring(128)
    callbacks: tuple[Any, ...] = ()
    batch_size: int = 32
    epochs: int = EPOCHS
    shuffle: bool = False


def run(folder: Path, recipe: Recipe) -> Path:
    kc.seed_everything(recipe.seed)
    gan = recipe.build()
    recipe.before_fit(gan)
    monitor = kc.CollapseMonitor(run_dir=folder, verbose=0)
    gan.fit(
        recipe.data(),
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        shuffle=recipe.shuffle,
        verbose=0,
        callbacks=[*recipe.callbacks, monitor],
    )
    return folder


def unseeded_layer(gan: GAN) -> None:
    kernel = gan.generator.layers[0].kernel
    kernel.assign(np.random.default_rng().normal(size=kernel.shape).astype("float32"))


def one_ulp(gan: GAN) -> None:
    bias = gan.discriminator.layers[-1].bias
    bias.assign(np.nextafter(np.zeros(bias.shape, "float32"), np.float32(1)))


def everything_again(gan: GAN) -> None:
    rng = np.random.default_rng()
    for variable in gan.trainable_variables:
        variable.assign(rng.normal(size=variable.shape).astype("float32"))


def other_order() -> np.ndarray:
    return np.random.default_rng().permutation(ring(128))


def augmented() -> np.ndarray:
    return ring(128) + np.random.default_rng().normal(0, 0.1, (128, 2)).astype("float32")


def augmented_late() -> np.ndarray:
    data = ring(128)
    data[64:] += np.random.default_rng().normal(0, 0.1, (64, 2)).astype("float32")
    return data


class Disturb(keras.callbacks.Callback):
    """Adds noise to one kernel after a step: operations in another order, or a hand."""

    def __init__(self, step: int, size: float) -> None:
        super().__init__()
        self.step, self.size, self.seen = step, size, -1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen += 1
        if self.seen == self.step:
            kernel = self.model.discriminator.layers[0].kernel
            value = np.array(keras.ops.convert_to_numpy(kernel.value))
            kernel.assign(value * (1 + self.size))


class DisturbAtEpochEnd(keras.callbacks.Callback):
    """Moves one weight when an epoch ends, before it is fingerprinted."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 0:
            bias = self.model.generator.layers[-1].bias
            bias.assign(np.array(keras.ops.convert_to_numpy(bias.value)) + 0.25)


def with_optimizers(**how: Any) -> Callable[[], GAN]:
    def build() -> GAN:
        gan = tiny_gan()
        gan.compile(**{"d_optimizer": rmsprop(), "g_optimizer": rmsprop()} | how,
                    jit_compile=BACKEND == "jax")  # fmt: skip
        return gan

    return build


@dataclass
class Pair:
    """Two recipes and the answer: what differs first, at which step, and words of the source."""

    a: Recipe
    b: Recipe
    first: str = ""
    step: int | None = None
    source: str = ""
    settings: tuple[str, ...] = ()


class UnseededNoise(keras.layers.Layer):
    """Noise drawn anew in each process' build, by a generator that nobody seeds."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = np.random.default_rng().normal(0, 0.1, 16).astype("float32")

    def call(self, x: Any) -> Any:
        return x + keras.ops.convert_to_tensor(self.noise)


def noisy_gan() -> GAN:
    return tiny_gan(noise=UnseededNoise())


def other_latents(gan: GAN) -> None:
    state = gan.latent_seed.state
    state.assign(np.array(keras.ops.convert_to_numpy(state.value)) + 1)


# TensorFlow draws a fit's batches inside the compiled step, where nobody sees them.
DATA = "readings" if BACKEND == "tensorflow" else "data"
NOISE = "draws" if BACKEND == "tensorflow" else "inside of the step"
OUTSIDE = "of this step" if BACKEND == "tensorflow" else "changed from outside"
SAME = Recipe()
PAIRS = {
    "the same twice": Pair(SAME, Recipe()),
    "the same, shuffled by Keras": Pair(Recipe(shuffle=True), Recipe(shuffle=True)),
    "another callback in the list": Pair(
        SAME, Recipe(callbacks=(keras.callbacks.CSVLogger("log.csv"),))
    ),
    "another seed": Pair(SAME, Recipe(seed=4), "initial weights", 0, "another seed"),
    "all weights unseeded": Pair(
        SAME, Recipe(before_fit=everything_again), "initial weights", 0, "another seed"
    ),
    "one layer unseeded": Pair(
        SAME, Recipe(before_fit=unseeded_layer), "initial weights", 0, "kernel"
    ),
    "one weight changed in its last bit": Pair(
        SAME, Recipe(before_fit=one_ulp), "initial weights", 0, "bias"
    ),
    "data in another order": Pair(SAME, Recipe(data=other_order), DATA, 0, "shuffled"),
    "an unseeded augmentation": Pair(SAME, Recipe(data=augmented), DATA, 0, "augmented"),
    "an augmentation of later batches": Pair(
        SAME, Recipe(data=augmented_late), DATA, 2, "augment"
    ),
    "data shuffled otherwise by Keras": Pair(
        SAME, Recipe(shuffle=True), DATA, 0, "shuffled"
    ),
    "latents of another seed": Pair(
        SAME, Recipe(before_fit=other_latents), "readings", 0, NOISE
    ),
    "noise from outside of Keras": Pair(
        Recipe(build=noisy_gan), Recipe(build=noisy_gan), "readings", 0, NOISE
    ),
    "another batch size": Pair(
        SAME, Recipe(batch_size=64), DATA, 0, "settings that differ", ("steps",)
    ),
    "another learning rate": Pair(
        SAME,
        Recipe(build=with_optimizers(d_optimizer=keras.optimizers.RMSprop(2e-3))),
        "readings",
        0,
        "settings that differ",
        ("d_optimizer.learning_rate",),
    ),
    "another optimizer": Pair(
        SAME,
        Recipe(build=with_optimizers(g_optimizer=keras.optimizers.Adam(1e-3))),
        "readings",
        1,
        "settings that differ",
        ("optimizer",),
    ),
    "a run that ended early": Pair(
        SAME, Recipe(epochs=1), "length", EPOCH, "stopped"
    ),
    "a weight moved when an epoch ended": Pair(
        SAME, Recipe(callbacks=(DisturbAtEpochEnd(),)), "weights", EPOCH - 1, "outside"
    ),
}  # fmt: skip
if BACKEND != "jax":  # there the weights are out of reach within an epoch
    PAIRS["operations in another order"] = Pair(
        SAME, Recipe(callbacks=(Disturb(1, 3e-5),)), "readings", 2, "another order"
    )
    PAIRS["a weight moved by a callback"] = Pair(
        SAME, Recipe(callbacks=(Disturb(1, 0.5),)), "readings", 2, OUTSIDE
    )


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_gets_the_right_answer(name: str, tmp_path: Path) -> None:
    pair = PAIRS[name]
    found = compare(run(tmp_path / "a", pair.a), run(tmp_path / "b", pair.b))
    assert found.identical is (pair.first == ""), found
    assert (found.first, found.first_step) == (pair.first, pair.step), found
    assert pair.source in found.source
    assert set(pair.settings) <= set(found.settings)
    if pair.first == "":
        assert found.settings == {}


def loop(folder: Path, seed: int = 3, order: int = 0, latents: int = 0, noise: float = 0) -> Path:
    """A ``train_on_batch`` loop whose parts are drawn from these seeds."""
    kc.seed_everything(seed)
    g, d, gan = networks(metrics=None)
    real = np.random.default_rng(order).permutation(ring(128))
    draw = np.random.default_rng(latents)
    monitor = kc.CollapseMonitor(run_dir=folder, verbose=0)
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        for step in range(4):
            z = draw.standard_normal((BATCH, LATENT), "float32")
            d.trainable = True
            d.train_on_batch(real[step * BATCH :][:BATCH], ONES)
            fakes = g.predict_on_batch(z)
            if step == 2 and noise:
                fakes = fakes + np.random.default_rng(step).normal(0, noise, fakes.shape)
            d.train_on_batch(fakes, ZEROS)
            d.trainable = False
            gan.train_on_batch(z, ONES)
    return folder


LOOPS: dict[str, tuple[dict[str, Any], str, int | None, str]] = {
    "the same twice": ({}, "", None, ""),
    "another seed": ({"seed": 4}, "initial weights", 0, "another seed"),
    "data in another order": ({"order": 1}, "data", 0, "shuffled"),
    "other latents": ({"latents": 1}, "data", 0, "latents drawn"),
    "both": ({"latents": 1, "order": 1}, "data", 0, "data and latents"),
    "noise on the fakes": ({"noise": 0.1}, "readings", 2, "inside of the step"),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_pair_of_loops_gets_the_right_answer(name: str, tmp_path: Path) -> None:
    other, first, step, source = LOOPS[name]
    found = compare(loop(tmp_path / "a"), loop(tmp_path / "b", **other))
    if first == "":  # loops record no weights: that they are the same cannot be told
        assert found.first == "", found
    else:
        assert (found.identical, found.first, found.first_step) == (False, first, step), found
        assert source in found.source


def resumed(folder: Path, restored: str) -> Path:
    """The second half of a run, gone on with in a new model with what ``restored`` names."""
    kc.seed_everything(3)
    before, gan = tiny_gan(), tiny_gan()
    before.fit(ring(128), batch_size=32, epochs=EPOCHS, shuffle=False, verbose=0)
    for one in (before, gan):
        for network, optimizer in (("generator", one.optimizer),
                                   ("discriminator", one.d_optimizer)):  # fmt: skip
            optimizer.build(getattr(one, network).trainable_variables)
    known = {
        "weights": [(before.weights, gan.weights)],
        "all but optimizers": [(before.variables, gan.variables)],
        "everything": [
            (before.variables, gan.variables),
            (before.optimizer.variables, gan.optimizer.variables),
            (before.d_optimizer.variables, gan.d_optimizer.variables),
        ],
        "nothing": [],
    }[restored]
    for old, new in known:
        for source, target in zip(old, new, strict=True):
            target.assign(source)
    monitor = kc.CollapseMonitor(run_dir=folder, verbose=0)
    gan.fit(ring(128), batch_size=32, epochs=2 * EPOCHS, initial_epoch=EPOCHS, shuffle=False,
            verbose=0, callbacks=[monitor])  # fmt: skip
    return folder


RESUMED = {
    "everything": ("", None, ""),
    "weights": ("initial weights", EPOCHS * EPOCH, "began anew"),
    "all but optimizers": ("readings", EPOCHS * EPOCH + 1, "without the state of its optimizers"),
    "nothing": ("initial weights", EPOCHS * EPOCH, "from other weights"),
}


@pytest.mark.parametrize("restored", RESUMED)
def test_a_resumed_run_is_held_against_the_whole_one(restored: str, tmp_path: Path) -> None:
    first, step, source = RESUMED[restored]
    whole = run(tmp_path / "whole", Recipe(epochs=2 * EPOCHS))
    found = compare(whole, resumed(tmp_path / "resumed", restored))
    assert (found.identical, found.first, found.first_step) == (first == "", first, step), found
    assert source in found.source


@pytest.mark.skipif("OLDEST_KERAS" not in os.environ, reason="make test sets OLDEST_KERAS")
def test_another_keras_is_named() -> None:
    Path("train.py").write_text(SCRIPT.format(here=str(TESTS)))
    oldest = str(ROOT / os.environ["OLDEST_KERAS"])
    for name, path in (("a", ""), ("b", oldest)):
        environment = os.environ | {"PYTHONPATH": path}
        command = [sys.executable, "-m", "keras_collapse.cli", "run", "--seed", "42", "train.py"]
        subprocess.run([*command, name], check=True, env=environment, capture_output=True)
    assert next(read_journal("a")).command == "keras-collapse run --seed 42 train.py a"
    found = compare("a", "b")
    assert "version.keras" in found.settings
    last = [[r.weights for r in read_journal(name) if isinstance(r, Fingerprint)][-1]
            for name in ("a", "b")]  # fmt: skip
    hashes = [[digest for _, digest in weights] for weights in last]
    assert found.identical is (hashes[0] == hashes[1])
    assert found.identical or "version.keras" in found.source


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
from tiny import ring, tiny_gan
import keras_collapse as kc
gan = tiny_gan()
gan.fit(ring(128), batch_size=32, epochs=2, verbose=0,
        callbacks=[kc.SeedControl(42), kc.CollapseMonitor(run_dir=sys.argv[1])])
"""


@pytest.mark.slow  # three processes; the suite has trials, which are processes too
def test_the_same_seed_in_fresh_processes_gives_the_same_bits() -> None:
    Path("train.py").write_text(SCRIPT.format(here=str(TESTS)))
    program = [sys.executable, "-m", "keras_collapse.cli"]
    for name in ("a", "b", "c"):
        done = subprocess.run(
            [*program, "run", "--seed", "42", "train.py", name],
            capture_output=True,
            text=True,
            check=False,
            env=dict(os.environ),
        )
        assert done.returncode == 0, done.stderr
        assert "hash seed (PYTHONHASHSEED=42)" in done.stderr + done.stdout
        assert "seeded_too_late" not in done.stdout
    for other in ("b", "c"):
        found: Comparison = compare("a", other)
        assert found.identical is True, found
    done = subprocess.run(
        [*program, "compare", "a", "b"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "IDENTICAL" in done.stdout) == (0, True)
