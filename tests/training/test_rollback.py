"""on_failure="rollback": back to the last healthy check, and on from there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from programs import networks
from states import EPOCH, States, arrays, drawn_data, equal
from test_loops import steps
from tiny import LeastSquares, once, slow_where_compiled, tiny_gan, weights

import keras_collapse as kc
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.subscriber import Subscriber
from keras_collapse.training.probe import prober
from keras_collapse.training.recovery.rollback import ROLLBACKS, Rollback

pytestmark = pytest.mark.backend()


@pytest.fixture(autouse=True)
def every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trainings are shorter than the steps between two comparisons."""
    monkeypatch.setattr(prober, "APART", 1)


class Damage(keras.callbacks.Callback):
    """Makes G's last layer NaN when these epochs begin."""

    def __init__(self, *epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch in self.epochs:
            poison(self.model.generator)


class Ear(Subscriber):
    """Keeps the findings, and all variables right after each rollback."""

    def __init__(self) -> None:
        super().__init__()
        self.findings: list[Finding] = []
        self.after: list[list[np.ndarray]] = []

    def on_finding(self, finding: Finding) -> None:
        self.findings.append(finding)
        if finding.kind == "rolled_back":
            self.after.append(weights(self.model))


class Alarm:
    """Fails at the first check whose samples are far away from the data."""

    kind = "alarm"
    unavailable_reason = ""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def update_probe(self, probe: Probe) -> None:
        if (probe.get("sliced_wasserstein") or 0.0) > 5 and not self.findings:
            step = probe.step
            self.findings.append(Finding("alarm", Severity.FAILED, step, step, "Far away."))


def poison(network: Any) -> None:
    kernel = network.layers[-1].weights[0]
    kernel.assign(np.full(kernel.shape, np.nan))


def train(
    damage: Sequence[int], epochs: int = 8, verbose: int = 0, **how: Any
) -> tuple[Any, kc.CollapseMonitor, States, Ear]:
    kc.seed_everything(3)
    # Its losses take a NaN on every backend.
    gan = tiny_gan(d_rate=1e-4, g_rate=1e-4, kind=LeastSquares, score=None)
    states, ear = States(), Ear()
    monitor = kc.CollapseMonitor(on_failure="rollback", verbose=verbose, **how)
    callbacks = [Damage(*damage), states, ear, monitor]
    gan.fit(drawn_data(gan.generator), batch_size=32, epochs=epochs, verbose=0, callbacks=callbacks)
    return gan, monitor, states, ear


def rollbacks(monitor: kc.CollapseMonitor) -> list[Finding]:
    return [one for one in monitor.verdict.findings if one.kind == "rolled_back"]


@pytest.mark.parametrize("every", ["epoch", 5])
def test_a_failed_training_goes_on_from_its_last_healthy_check(tmp_path: Path, every: Any) -> None:
    gan, monitor, states, ear = train([4], run_dir=tmp_path / "run", every=every)
    (found,) = rollbacks(monitor)
    assert found.severity == "info"
    assert found.last_step == found.evidence["from_step"] == 5 * EPOCH - 1
    healthy = found.evidence["to_step"]
    assert healthy < 4 * EPOCH
    # Everything but random generators is as it was; the training then goes on from there.
    state, before = ear.after[0], gan.variables
    seeds = [place for place, v in enumerate(before) if "seed" in v.path]
    if every == "epoch":
        kept = [x for place, x in enumerate(states.all[healthy]) if place not in seeds]
        assert len(kept) > 20
        assert equal(kept, [x for place, x in enumerate(state) if place not in seeds])
        drawn = states.all[5 * EPOCH - 1]
        assert seeds
        assert all(np.array_equal(drawn[place], state[place]) for place in seeds)
    final = weights(gan)
    assert all(np.isfinite(value).all() for value in final)
    assert not np.array_equal(state[0], final[0])
    assert monitor.verdict.reason.endswith("then rolled back")
    assert monitor.verdict.status == "warning"
    past = kc.diagnose(tmp_path / "run")
    assert past.status == monitor.verdict.status
    spans = [(f.kind, f.first_step, f.last_step, f.resolved) for f in monitor.verdict.findings]
    assert spans == [(f.kind, f.first_step, f.last_step, f.resolved) for f in past.findings]


@once
def test_the_same_failure_is_found_again_and_rolled_back_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, monitor, _, ear = train([3, 5], verbose=1)
    (found,) = rollbacks(monitor)
    assert found.evidence["rollbacks"] == 2
    assert (found.first_step, found.last_step) == (4 * EPOCH - 1, 6 * EPOCH - 1)
    assert len([f for f in ear.findings if f.kind == "rolled_back"]) == 2
    undone = [f for f in monitor.verdict.findings if f.kind == "divergence"]
    assert [f.resolved for f in undone] == [True, True]
    assert capsys.readouterr().out.count("the training goes on") == 2


@once
def test_after_three_rollbacks_a_failure_stands(capsys: pytest.CaptureFixture[str]) -> None:
    gan, monitor, _, ear = train(range(3, 9), epochs=10, verbose=1)
    (found,) = rollbacks(monitor)
    assert found.evidence["rollbacks"] == ROLLBACKS == len(ear.after)
    assert monitor.verdict.status == "failed"
    assert any(np.isnan(value).any() for value in arrays(gan.generator))
    assert capsys.readouterr().out.count(f"this was done {ROLLBACKS} times") == 1


@once
def test_without_a_healthy_check_a_failure_is_reported_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, monitor, _, _ = train([0], epochs=3, verbose=1)
    assert not rollbacks(monitor)
    assert monitor.verdict.status == "failed"
    printed = capsys.readouterr().out
    assert printed.count("not rolled back: no sample check was healthy so far") == 1


@once
def test_a_wiring_fault_is_no_reason_to_go_back() -> None:
    kc.seed_everything(3)
    gan = tiny_gan("leak", d_rate=1e-4, g_rate=1e-4)
    monitor = kc.CollapseMonitor(on_failure="rollback", verbose=0)
    gan.fit(drawn_data(gan.generator), batch_size=32, epochs=3, verbose=0, callbacks=[monitor])
    assert monitor.verdict.status == "failed"
    assert not rollbacks(monitor)


@slow_where_compiled
def test_a_train_on_batch_loop_is_rolled_back_too() -> None:
    kc.seed_everything(2)
    g, d, gan = parts = networks()
    monitor = kc.CollapseMonitor(
        5, real=drawn_data(g), on_failure="rollback", detectors=[Alarm()], verbose=0
    )
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        steps(parts, 5)
        healthy = [arrays(g), arrays(d), arrays(d.optimizer), arrays(gan.optimizer)]
        kernel = g.layers[-1].weights[0]
        kernel.assign(np.full(kernel.shape, 50.0))
        steps(parts, 2)
        assert not equal(healthy[0], arrays(g))
        steps(parts, 3)
        assert equal(healthy[0], arrays(g))
    (found,) = rollbacks(monitor)
    assert (found.evidence["from_step"], found.evidence["to_step"]) == (9, 4)
    now = [arrays(g), arrays(d), arrays(d.optimizer), arrays(gan.optimizer)]
    assert all(equal(a, b) for a, b in zip(healthy, now, strict=True))
    # Before Keras 3.15 these are running means, in which a NaN would stay.
    assert float(d.metrics[0].count) == 0


@once
def test_a_loop_whose_optimizers_are_unknown_is_told_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gan = tiny_gan()
    monitor = kc.CollapseMonitor(5, real=drawn_data(gan.generator), on_failure="rollback")
    with monitor.watching(generator=gan.generator, discriminator=gan.discriminator):
        for step in range(20):
            monitor.update(d_loss=0.7 if step < 10 else float("nan"), g_loss=0.7)
    assert not rollbacks(monitor)
    assert "not rolled back: the optimizers are known only in fit" in capsys.readouterr().out


@once
def test_a_state_that_is_not_finite_is_not_remembered() -> None:
    gan = tiny_gan()
    gan.fit(drawn_data(gan.generator), batch_size=512, verbose=0)
    rollback = Rollback(verbose=0)
    rollback.owners = [gan, gan.optimizer, gan.d_optimizer]
    poison(gan.discriminator)
    rollback.remember(0)
    assert rollback.restore(1) is None
    gan.discriminator.layers[-1].weights[0].assign(np.zeros((16, 1)))
    rollback.remember(2)
    assert rollback.restore(3) is not None
