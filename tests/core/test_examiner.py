"""Findings fold into a verdict that claims no more than was seen."""

from __future__ import annotations

from math import nan

import pytest

from keras_collapse.core.errors import InputError
from keras_collapse.core.examiner import ENOUGH_STEPS, Examiner
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe


def feed(examiner: Examiner, steps: range, **values: float) -> list[Finding]:
    return [f for step in steps for f in examiner.update(Reading(step, 1, values))]


def test_too_few_steps_are_unknown_not_healthy() -> None:
    examiner = Examiner()
    feed(examiner, range(100), d_acc_real=0.7, d_acc_fake=0.7)
    verdict = examiner.verdict()
    assert verdict.status == "unknown"
    assert str(ENOUGH_STEPS) in verdict.reason


def test_nothing_seen_is_unknown() -> None:
    assert Examiner().verdict().status == "unknown"


GOOD = {
    "missing_share": 0.0,
    "distance_ratio": 1.0,
    "precision": 0.8,
    "sliced_wasserstein": 0.1,
    "sliced_wasserstein_baseline": 0.1,
}


@pytest.mark.parametrize(
    "values", [{"d_acc_real": 0.7, "d_acc_fake": 0.7}, {"d_acc": 0.7, "g_acc": 0.3}]
)
def test_a_log_of_a_two_sided_game_is_healthy_from_the_log_alone(values: dict[str, float]) -> None:
    examiner = Examiner(log_only=True)
    feed(examiner, range(ENOUGH_STEPS), **values)
    verdict = examiner.verdict()
    assert verdict.status == "healthy"
    assert verdict.reason.endswith("from the log alone")


@pytest.mark.parametrize("values", [{"d_loss": 0.4, "g_loss": 1.2}, {"d_acc": 0.7, "g_loss": 1.0}])
def test_a_log_that_shows_one_side_only_is_unknown(values: dict[str, float]) -> None:
    examiner = Examiner(log_only=True)
    feed(examiner, range(10), d_loss=0.69, g_loss=0.7)
    feed(examiner, range(10, 1000), **values)
    verdict = examiner.verdict()
    assert verdict.status == "unknown"
    assert "log D's accuracy on real and on fake samples" in verdict.reason


def test_a_live_run_is_healthy_only_if_its_samples_were_compared() -> None:
    examiner = Examiner()
    feed(examiner, range(ENOUGH_STEPS), d_acc_real=0.7, d_acc_fake=0.7)
    assert examiner.verdict().status == "unknown"
    assert examiner.verdict().reason.endswith("no sample check was made; train longer")
    examiner.unavailable_reason = "the data is out of reach"
    assert examiner.verdict().reason.endswith("not compared with data: the data is out of reach")
    examiner.update_probe(Probe(ENOUGH_STEPS, {"fake": 32.0, "duplicate_share": 0.0}))
    assert examiner.verdict().status == "unknown"
    examiner.update_probe(Probe(ENOUGH_STEPS, GOOD))
    assert examiner.verdict().status == "healthy"
    assert examiner.verdict().reason.endswith("and 1 sample check")


def test_a_check_that_cannot_tell_good_samples_is_no_evidence() -> None:
    examiner = Examiner()
    feed(examiner, range(ENOUGH_STEPS), d_acc_real=0.7, d_acc_fake=0.7)
    examiner.update_probe(Probe(ENOUGH_STEPS, {"missing_share": 0.0, "distance_ratio": 1.0}))
    assert examiner.verdict().status == "unknown"
    assert "does not tell good samples from bad" in examiner.verdict().reason


def test_what_cannot_be_judged_is_unknown_with_the_reason() -> None:
    examiner = Examiner()
    feed(examiner, range(1000), d_loss=0.69, g_loss=0.7)
    verdict = examiner.verdict()
    assert verdict.status == "unknown"
    assert "losses" in verdict.reason


def test_a_failure_is_told_once_at_each_change() -> None:
    examiner = Examiner()
    told = feed(examiner, range(500), d_acc_real=1.0, d_acc_fake=0.0)
    assert [f.severity for f in told] == [Severity.WARNING, Severity.FAILED]
    told = feed(examiner, range(500, 900), d_acc_real=0.7, d_acc_fake=0.7)
    assert [f.resolved for f in told] == [True]
    assert examiner.verdict().status == "warning"
    assert "recovered" in examiner.verdict().reason


def test_an_info_finding_does_not_spoil_the_verdict() -> None:
    examiner = Examiner(log_only=True)
    feed(examiner, range(300), d_acc_real=0.7, d_acc_fake=0.7)
    examiner.report(Finding("cumulative_metrics", Severity.INFO, 0, 299, "running means"))
    assert examiner.verdict().status == "healthy"
    assert [f.kind for f in examiner.verdict().findings] == ["cumulative_metrics"]


def test_a_finding_survives_its_dictionary() -> None:
    finding = Finding("x", Severity.WARNING, 1, 2, "m", {"a": 1.0}, ("b",), resolved=True)
    assert Finding.from_dict(finding.to_dict()).to_dict() == finding.to_dict()


def test_what_is_no_detector_is_refused_by_name() -> None:
    class Quiet:
        kind = "quiet"

    with pytest.raises(InputError, match="Quiet is neither a Detector nor a ProbeDetector"):
        Examiner([Quiet()])  # type: ignore[list-item]


def test_a_fault_that_is_found_again_is_as_old_as_before() -> None:
    examiner = Examiner()
    for step in (0, 30):
        examiner.report(Finding("discriminator_leak", Severity.FAILED, step, step, "again"))
    [finding] = examiner.verdict().findings
    assert (finding.first_step, finding.last_step) == (0, 30)


def test_after_a_restart_a_failure_is_undone_and_can_be_found_again() -> None:
    examiner = Examiner()
    examiner.know_objective("cross_entropy")
    stuck = {"d_acc_real": 1.0, "d_acc_fake": 0.0}
    feed(examiner, range(300), **stuck)
    assert examiner.verdict().status == "failed"
    undone = examiner.restart(299)
    assert [(f.kind, f.resolved) for f in undone] == [("discriminator_pinned", True)]
    verdict = examiner.verdict()
    assert verdict.status == "warning"
    assert verdict.reason == "discriminator_pinned from step 0 to 299, then rolled back"
    assert verdict.findings[0].resolved
    assert not feed(examiner, range(300), **stuck)  # held back, from before the restart
    again = feed(examiner, range(300, 700), **stuck)
    assert again[0].first_step == 300
    assert examiner.verdict().status == "failed"
    assert [f.first_step for f in examiner.verdict().findings] == [300, 0]


def test_a_restart_keeps_what_no_detector_found() -> None:
    examiner = Examiner()
    examiner.report(Finding("discriminator_leak", Severity.FAILED, 0, 0, "It leaks."))
    assert examiner.restart(10) == []
    assert examiner.verdict().reason == "discriminator_leak since step 0"


def test_a_healthy_verdict_counts_the_checks_that_compared_nothing() -> None:
    examiner = Examiner()
    good = {"missing_share": 0.0, "distance_ratio": 1.0, "precision": 0.7,
            "sliced_wasserstein": 0.1, "sliced_wasserstein_baseline": 0.07}  # fmt: skip
    for step in range(1000):
        examiner.update(Reading(step, 1, {"d_acc_real": 0.6, "d_acc_fake": 0.6}))
        if step % 50 == 0:
            examiner.update_probe(Probe(step, {"fake": 32.0} | (good if step % 100 == 0 else {})))
    assert examiner.verdict().status == "healthy"
    assert "10 sample checks (10 more only drew samples)" in examiner.verdict().reason


def test_a_printed_verdict_is_what_a_notebook_shows() -> None:
    examiner = Examiner()
    examiner.report(Finding("divergence", Severity.FAILED, 3, 9, "The loss is infinite."))
    verdict = examiner.verdict()
    first, second = str(verdict).splitlines()
    assert first == f"FAILED: {verdict.reason}"
    assert second == "  divergence (failed), steps 3 to 9: The loss is infinite."
    shown: list[str] = []

    class Printer:
        text = shown.append

    verdict._repr_pretty_(Printer(), False)
    assert shown == [str(verdict)]


def test_a_reading_with_nothing_new_builds_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step must cost the same whatever was found before it."""
    examiner = Examiner()
    for step in range(400):  # D pinned, and a divergence that stays
        examiner.update(Reading(step, 1, {"d_acc_real": 1.0, "d_acc_fake": 0.0, "g_loss": nan}))
    assert {f.kind for f in examiner.verdict().findings} >= {"discriminator_pinned", "divergence"}
    built = []
    init = Finding.__init__

    def count(self: Finding, *args: object, **kwargs: object) -> None:
        built.append(args)
        init(self, *args, **kwargs)

    monkeypatch.setattr(Finding, "__init__", count)
    for step in range(400, 424):  # the block is complete at the next one
        examiner.update(Reading(step, 1, {"d_acc_real": 1.0, "d_acc_fake": 0.0, "g_loss": nan}))
    assert built == []
    last = {f.kind: f.last_step for f in examiner.verdict().findings}
    assert (last["discriminator_pinned"], last["divergence"]) == (399, 423)
