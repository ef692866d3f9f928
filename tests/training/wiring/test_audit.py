"""The audit: one step taken and put back to the bit, and every fault in it named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from paths import TESTS
from programs import (
    BATCH,
    BOTH,
    GAN,
    DStepOnGsLoss,
    DWithoutGradient,
    FiveDSteps,
    GWithoutGradient,
    Hinge,
    OneLoss,
    OneOptimizer,
    SeparateHalves,
    TwoGSteps,
    Wasserstein,
    build,
    discriminator,
    generator,
    moves,
    rmsprop,
)
from tiny import ring, weights

import keras_collapse as kc
from keras_collapse import cli
from keras_collapse.training.wiring.audit import one_batch

pytestmark = [pytest.mark.backend(), pytest.mark.slow("tensorflow", "jax")]

DATA = ring(BATCH)


def kinds(gan: Any, batch: Any = DATA) -> dict[str, str]:
    return {finding.kind: str(finding.severity) for finding in kc.audit(gan, batch)}


def drawing(last: str | None) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), layers.Dense(2, activation=last)], name="generator")


class ByKerasLoss(GAN):
    """Losses asked of a Keras loss object, on real and fake samples apart."""

    loss_object: keras.losses.Loss

    def _loss_on_real(self, real: Any) -> Any:
        score = self.discriminator(real, training=True)
        loss = self.loss_object(ops.ones_like(score), score)
        return loss, {"d_loss_real": loss, "d_acc_real": ops.mean(score > 0)}

    def _loss_on_fake(self, real: Any) -> Any:
        score = self.discriminator(self._draw(ops.shape(real)[0]), training=True)
        loss = self.loss_object(ops.zeros_like(score), score)
        return loss, {"d_loss_fake": loss, "d_acc_fake": ops.mean(score <= 0)}


def by_loss(from_logits: bool) -> type[GAN]:
    loss = keras.losses.BinaryCrossentropy(from_logits=from_logits)
    return type("Asked", (ByKerasLoss,), {"loss_object": loss})


class OneBatch(GAN):
    """Real and fake samples shown to D as one batch."""

    def _discriminator_loss(self, real: Any) -> Any:
        scores = self.discriminator(ops.concatenate([real, self._draw(BATCH)]), training=True)
        labels = np.repeat([[1.0], [0.0]], BATCH, axis=0).astype("float32")
        loss = ops.mean(ops.square(scores - ops.convert_to_tensor(labels)))
        names = ("d_loss_real", "d_loss_fake", "d_acc_real", "d_acc_fake")
        return loss, dict.fromkeys(names, loss)


class WithoutTraining(GAN):
    def _draw(self, count: Any) -> Any:
        z = keras.random.normal((count, self.latent_dim), seed=self.latent_seed)
        return self.generator(z, training=False)


CORRECT = {
    "the camel GAN's step": build,
    "separate halves": lambda: build(SeparateHalves),
    "five D steps": lambda: build(FiveDSteps),
    "two G steps": lambda: build(TwoGSteps),
    "a critic": lambda: build(Wasserstein, d=discriminator(None)),
    "a hinge loss": lambda: build(Hinge, d=discriminator(None)),
    "batch norm in D": lambda: build(SeparateHalves, d=discriminator(batch_norm=True)),
    "logits": lambda: build(by_loss(True), d=discriminator(None)),
    "probabilities": lambda: build(by_loss(False)),
    "tanh and data in its range": lambda: build(g=drawing("tanh")),
    "one batch without batch norm": lambda: build(OneBatch),
}
FAULTY = {
    "a leak": (lambda: build(moves("L", ("discriminator",), BOTH)), {"discriminator_leak"}),
    "a D step on G's loss": (lambda: build(DStepOnGsLoss), {"discriminator_leak"}),
    "a leak of G": (lambda: build(moves("M", BOTH, ("generator",))), {"generator_leak"}),
    "G without gradient": (lambda: build(GWithoutGradient), {"generator_frozen"}),
    "D without gradient": (lambda: build(DWithoutGradient), {"discriminator_frozen"}),
    "one loss": (lambda: build(OneLoss), {"shared_optimizer"}),
    "one optimizer": (lambda: build(OneOptimizer), {"shared_optimizer"}),
    "a rate of zero": (
        lambda: build(d_optimizer=keras.optimizers.RMSprop(0.0)),
        {"discriminator_frozen"},
    ),
    "data beyond a sigmoid": (lambda: build(g=drawing("sigmoid")), {"range_mismatch"}),
    "a sigmoid twice": (lambda: build(by_loss(True)), {"loss_activation_mismatch"}),
    "no sigmoid": (
        lambda: build(by_loss(False), d=discriminator(None)),
        {"loss_activation_mismatch"},
    ),
    "one batch with batch norm": (
        lambda: build(OneBatch, d=discriminator(batch_norm=True)),
        {"mixed_batchnorm"},
    ),
    "batch norm in inference mode": (lambda: build(WithoutTraining), {"dead_batchnorm"}),
}


@pytest.mark.parametrize("name", CORRECT)
def test_a_correct_program_raises_no_alarm(name: str) -> None:
    assert kinds(CORRECT[name](), 0.8 * DATA) == {}


@pytest.mark.parametrize("name", FAULTY)
def test_a_fault_is_named_and_nothing_else(name: str) -> None:
    make, expected = FAULTY[name]
    assert set(kinds(make())) == expected


def test_unscaled_data() -> None:
    assert kinds(build(g=drawing("tanh")), 100 * DATA)["range_mismatch"] == "failed"
    assert kinds(build(g=drawing("tanh")), (DATA + 2) / 4) == {"range_mismatch": "warning"}
    critic = build(Wasserstein, d=discriminator(None))
    assert kinds(critic, 1e5 * DATA) == {"exploding_gradient": "warning"}


def test_everything_is_put_back_to_the_bit() -> None:
    def train(audited: bool) -> list[np.ndarray]:
        kc.seed_everything(5)
        gan = build(g=generator())
        if audited:
            before = weights(gan)
            kc.audit(gan, DATA)
            assert all(np.array_equal(a, b) for a, b in zip(before, weights(gan), strict=True))
        gan.fit(ring(128), batch_size=BATCH, epochs=2, verbose=0)
        return weights(gan)

    assert all(np.array_equal(a, b) for a, b in zip(train(False), train(True), strict=True))


def test_an_optimizer_that_was_not_built_ends_as_new() -> None:
    gan = build(KeepsUnbuilt) if keras.backend.backend() != "jax" else build()
    kc.audit(gan, DATA)
    slots = [v for v in gan.d_optimizer.variables if v.name != "learning_rate"]
    assert slots
    assert all(not np.any(keras.ops.convert_to_numpy(v.value)) for v in slots)


class KeepsUnbuilt(GAN):
    def compile(self, d_optimizer: Any, g_optimizer: Any, **how: Any) -> None:
        keras.Model.compile(self, optimizer=g_optimizer, **how)
        self.d_optimizer = d_optimizer


class NoDiscriminator(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.generator = generator()


def test_bad_input_is_one_line_that_says_what_to_do() -> None:
    plain = NoDiscriminator()
    plain.compile(rmsprop())
    with pytest.raises(kc.InputError, match="no discriminator was found"):
        kc.audit(plain, DATA)
    with pytest.raises(kc.InputError, match=r"Call gan\.compile"):
        kc.audit(GAN(generator(), discriminator()), DATA)
    gan = build()
    before = weights(gan)
    with pytest.raises(kc.InputError, match="the training step fails on this batch") as caught:
        kc.audit(gan, np.zeros((BATCH, 7), "float32"))
    assert "\n" not in str(caught.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, weights(gan), strict=True))


class OfTriples(GAN):
    """Takes ``(x, y, sample_weight)`` and counts its steps."""

    steps = 0

    def train_step(self, *arguments: Any) -> Any:
        *state, data = arguments
        assert len(data) == 3
        self.steps += 1
        return super().train_step(*state, data[0])


def test_a_batch_with_sample_weights_is_one_step() -> None:
    gan = build(OfTriples)
    batch = (DATA, np.zeros(len(DATA)), np.ones(len(DATA)))
    gan.steps = 0
    assert kc.audit(gan, batch) == []
    alone = gan.steps
    gan.steps = 0
    kc.audit(gan, tuple(part[:8] for part in batch))
    assert gan.steps == alone  # the controlled steps come on top, whatever the batch holds
    assert alone <= 7


def test_of_tensors_a_batch_is_taken_and_not_a_sample() -> None:
    tensor = ops.convert_to_tensor(ring(100))
    assert one_batch(tensor).shape == (32, 2)
    x, y = one_batch((tensor, np.arange(100)))
    assert (x.shape, y.shape) == ((32, 2), (32,))
    assert one_batch({"image": ring(100)})["image"].shape == (32, 2)


def test_an_optimizer_that_serves_both_is_named_and_no_weights_are_printed() -> None:
    gan = build(GAN)
    one = keras.optimizers.Adam(1e-3)
    gan.compile(d_optimizer=one, g_optimizer=one)
    [finding] = kc.audit(gan, DATA)
    assert (finding.kind, finding.severity) == ("shared_optimizer", "failed")
    assert "value=" not in str(finding.evidence)


PROGRAM = """
import sys
sys.path.insert(0, {here!r})
sys.path.insert(0, {programs!r})
from programs import BOTH, build as make, moves
from tiny import ring
print("a line of the program's own")

def build():
    return make(), ring(100)

def leaking():
    return make(moves("Leaking", ("discriminator",), BOTH)), ring(100)

def fails():
    raise RuntimeError("no data today")

def alone():
    return make()
"""


# The command's own work is the same on every backend, and a process costs ten seconds.
once = pytest.mark.backend("torch")


def write_program() -> None:
    Path("mine.py").write_text(
        PROGRAM.format(here=str(TESTS), programs=str(TESTS / "training" / "wiring"))
    )


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    write_program()
    return subprocess.run(
        [sys.executable, "-m", "keras_collapse.cli", "audit", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )


@once
def test_the_command_names_the_fault() -> None:
    done = command("mine.py:leaking", "--json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["verdict"] == "failed"
    assert [finding["kind"] for finding in report["findings"]] == ["discriminator_leak"]
    assert "a line of the program's own" in done.stderr


@once
def test_the_command_finds_nothing_in_a_correct_program() -> None:
    done = command("mine.py:build")
    assert done.returncode == 0, done.stderr
    assert "no wiring fault found in one step" in done.stdout


@once
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("mine.py", "give FILE.py:function"),
        ("nothing.py:build", "no such file"),
        ("mine.py:other", "has no function 'other'. It has:"),
        ("mine.py:fails", "RuntimeError: no data today"),
        ("mine.py:alone", "must return a compiled GAN and its data"),
    ],
)
def test_a_mistake_is_one_line(
    place: str, said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_program()
    monkeypatch.setattr(sys, "argv", ["keras-collapse", "audit", place])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capfd.readouterr().err
    assert ended.value.code == 2
    assert said in told
    assert len([line for line in told.splitlines() if "keras-collapse:" in line]) == 1
    assert "Traceback" not in told


class NeverZeroed(GAN):
    """Forgets ``zero_grad``, before both losses or before that of one network."""

    forgets = ("discriminator", "generator")

    def _descend_torch(self, variables: Any, measure: Any) -> Any:
        own = {id(v) for v in self.discriminator.trainable_variables}
        name = "discriminator" if id(variables[0]) in own else "generator"
        if name not in self.forgets:
            self.zero_grad()
        loss, logs = measure()
        loss.backward()
        gradients = [v.value.grad for v in variables]
        return gradients, {name: value.detach() for name, value in logs.items()}


class ZeroedForG(NeverZeroed):
    forgets = ("discriminator",)


@once
def test_where_only_d_gets_older_gradients_it_alone_is_named() -> None:
    [finding] = kc.audit(build(ZeroedForG), DATA)
    assert finding.evidence["networks"] == ["discriminator"]
    assert "trained to call fakes real" in finding.message


@once
def test_gradients_that_are_never_set_to_zero_are_named_and_left_as_they_were() -> None:
    gan = build(NeverZeroed)
    weights_of_d = [v.value for v in gan.discriminator.trainable_variables]
    for weight in weights_of_d:
        weight.grad = ops.ones_like(weight).detach()
    [finding] = kc.audit(gan, DATA)
    assert (finding.kind, finding.severity) == ("accumulated_gradients", "failed")
    assert finding.evidence["networks"] == ["generator", "discriminator"]
    assert all(bool((weight.grad == 1).all()) for weight in weights_of_d)


@once
def test_a_fit_names_them_too(capsys: pytest.CaptureFixture[str]) -> None:
    gan = build(NeverZeroed)
    monitor = kc.CollapseMonitor()
    gan.fit(ring(128), batch_size=BATCH, epochs=1, verbose=0, callbacks=[monitor])
    assert monitor.verdict.findings[0].kind == "accumulated_gradients"
    assert "self.zero_grad()" in capsys.readouterr().out
