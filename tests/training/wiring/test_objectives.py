"""What D's and G's losses ask for: every common objective passes, wrong ones are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from programs import BATCH, GAN, build, discriminator
from tiny import ring

import keras_collapse as kc
from keras_collapse.training.wiring import objectives
from keras_collapse.training.wiring.replaced_scores import NotMeasured

pytestmark = [pytest.mark.backend(), pytest.mark.slow("tensorflow", "jax")]

DATA = 0.8 * ring(BATCH)
Term = Callable[[Any], Any]


def cross_entropy(label: float) -> Term:
    return lambda p: -ops.mean(label * ops.log(p + 1e-7) + (1 - label) * ops.log(1 - p + 1e-7))


def of_logits(label: float) -> Term:
    return lambda s: ops.mean(ops.softplus(s) - label * s)


def square(target: float) -> Term:
    return lambda s: ops.mean(ops.square(s - target))


def mean(sign: float) -> Term:
    return lambda s: sign * ops.mean(s)


def hinge(sign: float) -> Term:
    return lambda s: ops.mean(ops.relu(1 + sign * s))


def noisy(low: float, high: float) -> Term:
    """Labels drawn anew for each sample."""

    def loss(p: Any) -> Any:
        labels = keras.random.uniform(ops.shape(p), low, high, seed=1)
        return -ops.mean(labels * ops.log(p + 1e-7) + (1 - labels) * ops.log(1 - p + 1e-7))

    return loss


def asking(on_real: Term, on_fake: Term, of_g: Term) -> type[GAN]:
    """A GAN whose losses are these terms of D's scores."""

    class Asking(GAN):
        def _one_step(self, real: Any) -> dict[str, Any]:
            judge, draw = self.discriminator.trainable_variables, self.generator.trainable_variables
            logs = self._descend(self.d_optimizer, judge, lambda: self._d(real))
            return logs | self._descend(self.optimizer, draw, self._g)

        def _d(self, real: Any) -> Any:
            fake = self._draw(BATCH)
            loss = on_real(self.discriminator(real, training=True))
            loss += on_fake(self.discriminator(fake, training=True))
            return loss, {"d_loss": loss}

        def _g(self) -> Any:
            loss = of_g(self.discriminator(self._draw(BATCH), training=True))
            return loss, {"g_loss": loss}

    return Asking


class Relativistic(GAN):
    """Each score is held against the mean of the other kind (Jolicoeur-Martineau, 2018)."""

    def _one_step(self, real: Any) -> dict[str, Any]:
        judge, draw = self.discriminator.trainable_variables, self.generator.trainable_variables
        logs = self._descend(self.d_optimizer, judge, lambda: self._loss(real, 1.0, "d_loss"))
        return logs | self._descend(self.optimizer, draw, lambda: self._loss(real, -1.0, "g_loss"))

    def _loss(self, real: Any, sign: float, name: str) -> Any:
        on_real = self.discriminator(real, training=True)
        on_fake = self.discriminator(self._draw(BATCH), training=True)
        loss = ops.mean(ops.softplus(-sign * (on_real - ops.mean(on_fake))))
        loss += ops.mean(ops.softplus(sign * (on_fake - ops.mean(on_real))))
        return loss, {name: loss}


SIGMOID, LINEAR = "sigmoid", None
RIGHT: dict[str, tuple[str | None, type[GAN]]] = {
    "cross-entropy": (SIGMOID, asking(cross_entropy(1), cross_entropy(0), cross_entropy(1))),
    "flipped labels": (SIGMOID, asking(cross_entropy(0), cross_entropy(1), cross_entropy(0))),
    "smoothed labels": (SIGMOID, asking(cross_entropy(0.9), cross_entropy(0), cross_entropy(1))),
    "noisy labels": (SIGMOID, asking(noisy(0.7, 1.0), noisy(0.0, 0.3), cross_entropy(1))),
    "saturating": (
        SIGMOID,
        asking(cross_entropy(1), cross_entropy(0), lambda p: ops.mean(ops.log(1 - p + 1e-7))),
    ),
    "logits": (LINEAR, asking(of_logits(1), of_logits(0), of_logits(1))),
    "least squares, 0 and 1": (LINEAR, asking(square(1), square(0), square(1))),
    "least squares, -1, 1 and 0": (LINEAR, asking(square(1), square(-1), square(0))),
    "least squares of a sigmoid": (SIGMOID, asking(square(1), square(0), square(1))),
    "Wasserstein": (LINEAR, asking(mean(-1), mean(1), mean(-1))),
    "Wasserstein, upside down": (LINEAR, asking(mean(1), mean(-1), mean(1))),
    "hinge": (LINEAR, asking(hinge(-1), hinge(1), mean(-1))),
    "relativistic": (LINEAR, Relativistic),
    "G's loss without D": (LINEAR, asking(of_logits(1), of_logits(0), lambda s: 0 * ops.mean(s))),
}
WRONG: dict[str, tuple[str | None, type[GAN], str]] = {
    "one label for D": (
        SIGMOID, asking(cross_entropy(1), cross_entropy(1), cross_entropy(1)), "discriminator"),
    "zeros for D": (
        SIGMOID, asking(cross_entropy(0), cross_entropy(0), cross_entropy(1)), "discriminator"),
    "one target for D": (LINEAR, asking(square(1), square(1), square(1)), "discriminator"),
    "one sign for a critic": (LINEAR, asking(mean(1), mean(1), mean(-1)), "discriminator"),
    "one sign in the hinge": (LINEAR, asking(hinge(-1), hinge(-1), mean(-1)), "discriminator"),
    "G taught to be caught": (
        SIGMOID, asking(cross_entropy(1), cross_entropy(0), cross_entropy(0)), "generator"),
    "G's labels not flipped with D's": (
        LINEAR, asking(of_logits(0), of_logits(1), of_logits(1)), "generator"),
    "G's minimax loss with its sign lost": (
        SIGMOID,
        asking(cross_entropy(1), cross_entropy(0), lambda p: -ops.mean(ops.log(1 - p + 1e-7))),
        "generator",
    ),
    "G's target that of fakes": (LINEAR, asking(square(1), square(0), square(0)), "generator"),
    "G's sign beside a critic": (LINEAR, asking(mean(-1), mean(1), mean(1)), "generator"),
    "G's sign beside a hinge": (LINEAR, asking(hinge(-1), hinge(1), mean(1)), "generator"),
}  # fmt: skip


def kinds(gan: Any) -> list[str]:
    return [finding.kind for finding in kc.audit(gan, DATA)]


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_objective_raises_no_alarm(name: str) -> None:
    last, kind = RIGHT[name]
    found = set(kinds(build(kind, d=discriminator(last))))
    assert found <= ({"generator_frozen"} if "without D" in name else set())


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_objective_is_named(name: str) -> None:
    last, kind, network = WRONG[name]
    assert kinds(build(kind, d=discriminator(last))) == [f"{network}_objective"]


class Conditional(GAN):
    """D is handed the sample and a label."""

    g_label = 1.0

    def _one_step(self, real: Any) -> dict[str, Any]:
        judge, draw = self.discriminator.trainable_variables, self.generator.trainable_variables
        logs = self._descend(self.d_optimizer, judge, lambda: self._d(real))
        return logs | self._descend(self.optimizer, draw, self._g)

    def _score(self, sample: Any) -> Any:
        return self.discriminator([sample, ops.ones((BATCH, 1))], training=True)

    def _d(self, real: Any) -> Any:
        loss = of_logits(1)(self._score(real)) + of_logits(0)(self._score(self._draw(BATCH)))
        return loss, {"d_loss": loss}

    def _g(self) -> Any:
        loss = of_logits(self.g_label)(self._score(self._draw(BATCH)))
        return loss, {"g_loss": loss}


@pytest.mark.parametrize(("g_label", "found"), [(1.0, []), (0.0, ["generator_objective"])])
def test_a_conditional_discriminator(g_label: float, found: list[str]) -> None:
    x, label = keras.Input((2,)), keras.Input((1,))
    scores = keras.layers.Dense(1)(keras.layers.Concatenate()([x, label]))
    judge = keras.Model([x, label], scores, name="discriminator")
    kind = type("Conditional", (Conditional,), {"g_label": g_label})
    assert kinds(build(kind, d=judge)) == found


def test_the_evidence_is_the_losses_slopes() -> None:
    last, kind, _ = WRONG["G's sign beside a critic"]
    [finding] = kc.audit(build(kind, d=discriminator(last)), DATA)
    assert finding.severity == "failed"
    slopes = {name: values for name, values in finding.evidence.items() if "slope" in name}
    assert np.allclose(slopes["d_loss_slope_in_real_score"], -1, atol=1e-3)
    assert np.allclose(slopes["d_loss_slope_in_fake_score"], 1, atol=1e-3)
    assert np.allclose(slopes["g_loss_slope_in_fake_score"], 1, atol=1e-3)
    assert "mean(D(fake))" in " ".join(finding.advice)


@pytest.mark.parametrize(
    ("costs", "steps"),
    [
        ([1.0] * 4, 4),
        ([8.0, 0.5, 0.5, 0.5], 4),  # the first one compiles
        ([6.0, 6.0], 2),  # two more would take too long
        ([21.0], 1),
    ],
)
def test_steps_that_take_too_long_are_given_up(
    monkeypatch: pytest.MonkeyPatch, costs: list[float], steps: int
) -> None:
    clock, waiting = [0.0], iter(costs)

    def step(_: Any, shift: tuple[float, float, float]) -> dict[str, float]:
        clock[0] += next(waiting)
        _, real, fake = shift
        return {"d_loss": fake - real, "g_loss": -fake}

    monkeypatch.setattr(objectives, "place_of_score", lambda seen: 0)
    monkeypatch.setattr(objectives, "gives_probabilities", lambda seen: False)
    monkeypatch.setattr(objectives.time, "process_time", lambda: clock[0])
    seen: Any = None
    if steps == 4:
        [slopes] = objectives.measure(step, seen, 20.0)
        assert slopes.d_real == pytest.approx(-1)
    else:
        with pytest.raises(NotMeasured, match="takes too long"):
            objectives.measure(step, seen, 20.0)
    assert clock[0] == sum(costs)
