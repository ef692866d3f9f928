"""A D that has won, where nobody can compare samples: in a log, or without data."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

BAD = {"missing_share": 0.9, "distance_ratio": 0.3, "precision": 0.5}
GOOD = {"missing_share": 0.0, "distance_ratio": 1.0, "precision": 0.6,
        "sliced_wasserstein": 0.1, "sliced_wasserstein_baseline": 0.07}  # fmt: skip
BETWEEN = {"missing_share": 0.1, "distance_ratio": 1.0}
WON = {"d_acc_real": 1.0, "d_acc_fake": 0.995, "d_loss": 0.002}
START = {"d_acc_real": 0.5, "d_acc_fake": 0.5, "d_loss": 0.69, "g_loss": 0.7}


def log(
    steps: int = 1200, g_loss: Callable[[int], float] | None = lambda step: 7 + step / 400,
    log_only: bool = True, rounding: float = 0.0, start: dict[str, float] = START,
    **values: float | None,
) -> Examiner:  # fmt: skip
    """An examiner of a log in which D wins from step 20 on."""
    examiner = Examiner(log_only=log_only)
    for step in range(steps):
        late = WON | values | ({} if g_loss is None else {"g_loss": g_loss(step)})
        now = start if step < 20 else {k: v for k, v in late.items() if v is not None}
        examiner.update(Reading(step, 1, now, dict.fromkeys(now, rounding)))
    return examiner


def found(examiner: Examiner) -> Finding:
    [finding] = [f for f in examiner.verdict().findings if f.kind == "discriminator_dominates"]
    return finding


def test_a_d_that_has_won_is_a_failure_in_a_log() -> None:
    finding = found(log())
    assert (finding.severity, finding.first_step) == ("failed", 25)
    assert finding.evidence["g_loss_first"] == pytest.approx(7.5, abs=0.1)
    assert finding.evidence["g_loss_latest"] == pytest.approx(9.5, abs=0.1)


def test_it_has_to_last() -> None:
    assert found(log(steps=1000)).severity == "warning"


@pytest.mark.parametrize(
    "values",
    [{"d_loss": 0.02}, {"d_acc_real": 0.985}, {"d_acc_fake": 0.985}],
    ids=["the loss", "real", "fake"],
)
def test_every_number_has_to_be_certain(values: dict[str, float]) -> None:
    assert found(log(**values)).severity == "warning"


@pytest.mark.parametrize(("accuracy", "severity"), [(0.996, "failed"), (0.992, "warning")])
def test_a_mean_accuracy_bounds_that_of_either_half(accuracy: float, severity: str) -> None:
    assert found(log(d_acc_real=None, d_acc_fake=None, d_acc=accuracy)).severity == severity


def test_without_accuracies_it_is_a_warning() -> None:
    assert found(log(d_acc_real=None, d_acc_fake=None)).severity == "warning"


@pytest.mark.parametrize(
    "g_loss",
    [None, lambda step: 7 - step / 4000 + 0.5 * (-1) ** (step // 25)],
    ids=["not logged", "falling"],
)
def test_g_has_to_lose_as_well(g_loss: Callable[[int], float] | None) -> None:
    assert found(log(g_loss=g_loss, steps=6000)).severity == "warning"


def test_a_saturating_loss_near_0_is_that_of_a_g_that_loses() -> None:
    start = START | {"g_loss": -0.7}
    assert found(log(g_loss=lambda step: -0.002, start=start, g_acc=0.0)).severity == "failed"


def test_rounding_that_hides_a_fall_leaves_it_open() -> None:
    assert found(log(rounding=0.004, g_loss=lambda step: 7.0)).severity == "failed"
    fall = lambda step: 7 - step / 1e5  # noqa: E731
    assert found(log(rounding=0.004, g_loss=fall)).severity == "warning"


@pytest.mark.parametrize("start", [{"d_loss": 0.25}, {"d_loss": 2.0, "g_loss": 0.0}])
def test_another_objective_or_an_unknown_one_is_a_warning(start: dict[str, float]) -> None:
    assert found(log(start=START | start)).severity == "warning"


def test_compared_samples_decide() -> None:
    for samples, severity in ((GOOD, "warning"), (BETWEEN, "warning"), (BAD, "failed")):
        examiner = log()
        examiner.update_probe(Probe(1199, samples))
        examiner.update(Reading(1200, 1, WON | {"g_loss": 9.0}))
        assert found(examiner).severity == severity


def test_a_live_run_waits_for_its_samples_unless_none_can_be_compared() -> None:
    examiner = log(log_only=False)
    assert found(examiner).severity == "warning"
    examiner.unavailable_reason = "no data were found"
    examiner.update(Reading(1200, 1, WON | {"g_loss": 9.0}))
    assert found(examiner).severity == "failed"


def test_a_long_episode_takes_constant_memory() -> None:
    finding = found(log(steps=20_000, g_loss=lambda step: 5 + step / 1000))
    assert finding.evidence["g_loss_first"] == pytest.approx(5 + 20 / 6, abs=0.3)
    assert finding.evidence["g_loss_latest"] == pytest.approx(5 + 20 * 5 / 6, abs=0.3)


def test_a_d_that_wins_within_ten_steps_is_recognised_by_both_losses() -> None:
    def quick(g_loss: float, start: dict[str, float] = START) -> Examiner:
        examiner = Examiner(log_only=True)
        for step in range(1200):
            examiner.update(Reading(step, 1, WON | {"g_loss": g_loss} if step > 2 else start))
        return examiner

    assert found(quick(8.0)).severity == "failed"
    assert found(quick(1.0)).severity == "warning"  # as of least squares
    hinge = START | {"d_loss": 1.0, "g_loss": 0.0}
    assert found(quick(8.0, hinge)).severity == "warning"
