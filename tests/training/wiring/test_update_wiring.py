"""Loops that report with `update`: wiring faults are named, and real samples are found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from tiny import ring

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SamplesChecked
from keras_collapse.training.probe import prober

pytestmark = pytest.mark.backend()

BACKEND = keras.backend.backend()
DATA = ring(2048)
BATCH = 16
Step = Callable[[Any, Any, Any], None]


def networks() -> tuple[Any, Any]:
    g = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(2)])
    d = keras.Sequential([keras.Input((2,)), layers.Dense(8, "relu"), layers.Dense(1)])
    return g, d


def d_loss(g: Any, d: Any, real: Any, z: Any) -> Any:
    return ops.mean(ops.square(d(real) - 1)) + ops.mean(ops.square(d(g(z))))


def g_loss(g: Any, d: Any, _: Any, z: Any) -> Any:
    return ops.mean(ops.square(d(g(z)) - 1))


def gradients(loss: Any, variables: Any, *given: Any) -> Any:
    """The gradients of a loss, taken as a loop on this backend takes them, outside of a tracer."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss(*given)
        return tape.gradient(value, [v.value for v in variables])
    if BACKEND == "torch":
        for variable in variables:
            variable.value.grad = None
        loss(*given).backward()
        return [v.value.grad for v in variables]
    import jax

    def of(values: Any) -> Any:
        pairs = zip(variables, values, strict=True)
        with keras.StatelessScope(state_mapping=list(pairs)):
            return loss(*given)

    return jax.grad(of)([v.value for v in variables])


def step_of(g: Any, d: Any, fault: str | None, rate: float = 1e-3) -> Step:
    """A D+G step with a fault in its wiring."""
    of_d = keras.optimizers.Adam(rate)
    of_g = of_d if fault == "shared_optimizer" else keras.optimizers.Adam(rate)
    for_d = [*d.trainable_variables] + [*g.trainable_variables] * (fault == "generator_leak")
    for_g = [*g.trainable_variables] + [*d.trainable_variables] * (fault == "discriminator_leak")
    if fault == "shared_optimizer":
        of_d.build([*d.trainable_variables, *g.trainable_variables])
    else:
        of_d.build(for_d)
        of_g.build(for_g)

    def step(real: Any, z: Any, _: Any = None) -> None:
        if fault != "discriminator_frozen":
            of_d.apply(gradients(d_loss, for_d, g, d, real, z), for_d)
        if fault != "generator_frozen":
            of_g.apply(gradients(g_loss, for_g, g, d, real, z), for_g)

    return step


def watch(g: Any, d: Any, step: Any, count: int = 12, **monitor: Any) -> kc.CollapseMonitor:
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(0)
    found = kc.CollapseMonitor(verbose=0, **monitor)
    with found.watching(generator=g, discriminator=d):
        for _ in range(count):
            real = ops.convert_to_tensor(DATA[rng.integers(0, len(DATA), BATCH)])
            step(real, ops.convert_to_tensor(rng.normal(size=(BATCH, 4)).astype("float32")))
            found.update(d_loss=0.7, g_loss=0.7)
    return found


def kinds(monitor: kc.CollapseMonitor) -> dict[str, int]:
    severe = [f for f in monitor.verdict.findings if f.severity != "info"]
    return {f.kind: f.first_step for f in severe}


@pytest.mark.slow("jax")
def test_a_correct_loop_has_no_fault_and_every_patch_is_removed() -> None:
    g, d = networks()
    before = keras.optimizers.Optimizer.apply, vars(g).get("call"), vars(d).get("call")
    assert kinds(watch(g, d, step_of(g, d, None), 110)) == {}
    assert (keras.optimizers.Optimizer.apply, vars(g).get("call"), vars(d).get("call")) == before


@pytest.mark.parametrize("fault", ["discriminator_leak", "generator_leak", "shared_optimizer"])
def test_a_leak_is_named_in_the_first_step_with_advice_for_a_loop(fault: str) -> None:
    g, d = networks()
    monitor = watch(g, d, step_of(g, d, fault), 3)
    assert kinds(monitor) == {fault: 0}
    [finding] = [f for f in monitor.verdict.findings if f.kind == fault]
    assert "train_step" not in " ".join(finding.advice)


@pytest.mark.slow("jax")
@pytest.mark.parametrize("fault", ["discriminator_frozen", "generator_frozen"])
def test_a_network_that_never_changes_is_named(fault: str) -> None:
    g, d = networks()
    assert kinds(watch(g, d, step_of(g, d, fault), 99)) == {}
    assert kinds(watch(g, d, step_of(g, d, fault), 101)) == {fault: 99}


@pytest.mark.slow("jax")
def test_a_rate_of_zero_is_the_cause_of_frozen_networks() -> None:
    g, d = networks()
    monitor = watch(g, d, step_of(g, d, None, rate=0.0), 101)
    frozen = [f for f in monitor.verdict.findings if f.kind.endswith("_frozen")]
    assert len(frozen) == 2
    assert all("learning rate" in f.message for f in frozen)


@pytest.mark.usefixtures("as_users_compile")
def test_a_watched_loop_is_trained_to_the_same_bits() -> None:
    trained = []
    for watched in (False, True):
        keras.utils.set_random_seed(1)
        g, d = networks()
        step, rng = step_of(g, d, None), np.random.default_rng(0)
        if watched:
            watch(g, d, step)
        else:
            for _ in range(12):
                real = ops.convert_to_tensor(DATA[rng.integers(0, len(DATA), BATCH)])
                step(real, ops.convert_to_tensor(rng.normal(size=(BATCH, 4)).astype("float32")))
        trained.append([keras.ops.convert_to_numpy(v) for v in [*g.variables, *d.variables]])
    assert all(np.array_equal(a, b) for a, b in zip(*trained, strict=True))


@pytest.mark.backend("tensorflow")
@pytest.mark.parametrize("fault", [None, "discriminator_leak"])
def test_a_compiled_step_is_seen_while_it_is_traced(fault: str | None) -> None:
    import tensorflow as tf

    g, d = networks()
    compiled = tf.function(step_of(g, d, fault))
    assert kinds(watch(g, d, compiled)) == ({fault: 0} if fault else {})


@pytest.mark.backend("jax")
def test_a_stateless_step_that_gives_an_optimizer_zeros_is_no_leak_nor_frozen() -> None:
    import jax

    g, d = networks()
    of_d, of_g = keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3)
    variables = [*g.trainable_variables, *d.trainable_variables]
    for optimizer in (of_d, of_g):
        optimizer.build(variables)
    state = [[v.value for v in group] for group in (variables, of_d.variables, of_g.variables)]
    own = len(g.trainable_variables)

    @jax.jit
    def update(state: Any, real: Any, z: Any) -> Any:
        values, *slots = state

        def of(loss: Any, values: Any) -> Any:
            pairs = zip(variables, values, strict=True)
            with keras.StatelessScope(state_mapping=list(pairs)):
                return loss(g, d, real, z)

        for place, (loss, optimizer) in enumerate(((d_loss, of_d), (g_loss, of_g))):
            grads = jax.grad(lambda v, loss=loss: of(loss, v))(values)
            is_d = place == 0
            grads = [0 * x if (i < own) == is_d else x for i, x in enumerate(grads)]
            values, slots[place] = optimizer.stateless_apply(slots[place], grads, values)
        return [values, *slots]

    def step(real: Any, z: Any) -> None:
        nonlocal state
        state = update(state, real, z)

    assert kinds(watch(g, d, step, 110)) == {}


@pytest.mark.backend("torch")
@pytest.mark.parametrize("fault", [None, "discriminator_leak", "generator_frozen"])
def test_optimizers_of_pytorch_are_observed(fault: str | None) -> None:
    import torch

    g, d = networks()
    of_d = torch.optim.Adam(d.parameters(), lr=1e-3)
    leaks = [*d.parameters()] if fault == "discriminator_leak" else []
    of_g = torch.optim.Adam([*g.parameters(), *leaks], lr=1e-3)

    def step(real: Any, z: Any) -> None:
        for loss, optimizer in ((d_loss, of_d), (g_loss, of_g)):
            of_d.zero_grad()
            of_g.zero_grad()
            loss(g, d, real, z).backward()
            if not (optimizer is of_g and fault == "generator_frozen"):
                optimizer.step()

    expected = {"discriminator_leak": 0, "generator_frozen": 99}
    assert kinds(watch(g, d, step, 101)) == ({fault: expected[fault]} if fault else {})


@pytest.mark.parametrize("penalised", [False, True])
def test_real_samples_are_what_d_is_shown_and_g_did_not_draw(
    penalised: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "APART", 1)
    g, d = networks()

    def step(real: Any, z: Any) -> None:
        fake = g(z)
        d(real)
        d(fake)
        if penalised:  # samples between them must not be taken for data
            d(0.5 * real + 0.5 * fake)

    watch(g, d, step, 40, run_dir=tmp_path / "run", every=20)
    checks = [r.values for r in read_journal(tmp_path / "run") if isinstance(r, SamplesChecked)]
    assert ("missing_share" in checks[-1]) == (not penalised)
    if not penalised:
        assert checks[-1]["modes_real"] == 8


@pytest.mark.backend("torch")
def test_the_first_step_of_a_loop_in_pytorch_is_checked() -> None:
    import torch

    g = keras.Sequential([keras.Input((4,)), layers.Dense(2, "tanh")])
    d = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    monitor = kc.CollapseMonitor(verbose=0)
    with monitor.watching(generator=g, discriminator=d):
        for _ in range(2):
            d(torch.from_numpy(40 * DATA[:BATCH]))
            d(g(torch.randn(BATCH, 4)))
            monitor.update(d_loss=0.7, g_loss=0.7)
    assert kinds(monitor) == {"range_mismatch": 0}
    assert "call" not in vars(g)


@pytest.mark.backend("torch")
def test_an_error_of_ours_leaves_a_loop_in_pytorch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from keras_collapse.training.wiring import observed_step

    def fails(*_: Any) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(observed_step, "_note", fails)
    g, d = networks()
    monitor = kc.CollapseMonitor(verbose=0)
    with monitor.watching(generator=g, discriminator=d):
        with pytest.warns(UserWarning, match="EagerLoop has switched itself off"):
            d(g(torch.randn(BATCH, 4)))
        monitor.update(d_loss=0.7, g_loss=0.7)
