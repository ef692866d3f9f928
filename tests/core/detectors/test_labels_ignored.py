"""Labels that have no effect or do not show, and classes that are lost, as sample checks show."""

from __future__ import annotations

from collections.abc import Iterable

from keras_collapse.core.detectors.lasting.labels_ignored import ClassCollapse, LabelsIgnored
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe

GOOD = {
    "missing_share": 0.0, "distance_ratio": 1.0, "precision": 0.8, "coverage": 0.8,
    "sliced_wasserstein": 0.1, "sliced_wasserstein_baseline": 0.1, "dimension": 2.0,
    "label_effect": 0.5, "label_agreement": 0.95, "class_missing_share": 0.0,
    "class_distance_ratio": 0.8, "worst_class": 1.0,
}  # fmt: skip
UNRELATED = GOOD | {"label_agreement": 0.05}
OFF = {"precision": 0.0, "missing_share": 0.9, "sliced_wasserstein": 1.0}
EVERY = 100


def findings(
    detector: LabelsIgnored | ClassCollapse, checks: Iterable[dict[str, float]], every: int = EVERY
) -> list[Finding]:
    for place, values in enumerate(checks):
        detector.update_probe(Probe(place * every, values))
    return list(detector.findings)


def effects(*values: float) -> list[dict[str, float]]:
    return [{"label_effect": value} for value in values]


def test_labels_without_effect_are_a_warning_and_then_a_failure_without_any_data() -> None:
    assert not findings(LabelsIgnored(), effects(*[0.0] * 5))
    [warning] = findings(LabelsIgnored(), effects(*[1e-14] * 8))
    assert (warning.kind, warning.severity, warning.first_step) == ("labels_ignored", "warning", 0)
    [failure] = findings(LabelsIgnored(), effects(*[0.0] * 13))
    assert failure.severity == "failed"
    assert "same sample" in failure.message


def test_few_checks_are_no_finding_however_far_apart() -> None:
    assert not findings(LabelsIgnored(), effects(0.0, 0.0, 0.0), every=1000)


def test_an_effect_that_grows_gets_its_chance() -> None:
    growing = [1e-6 * 1.3**place for place in range(20)]
    assert not findings(LabelsIgnored(), effects(*growing))
    assert findings(LabelsIgnored(), effects(*[1e-6] * 20))


def test_labels_that_gain_an_effect_end_the_finding() -> None:
    [found] = findings(LabelsIgnored(), effects(*[0.0] * 13, 0.2, 0.2))
    assert found.resolved


def test_good_samples_that_do_not_show_their_labels_fail() -> None:
    [found] = findings(LabelsIgnored(), [UNRELATED] * 13)
    assert found.severity == "failed"
    assert found.evidence == {"label_effect": 0.5, "label_agreement": 0.05}
    assert any("Give D the label" in advice for advice in found.advice)


def test_early_samples_are_not_blamed_for_their_labels() -> None:
    assert not findings(LabelsIgnored(), [UNRELATED | OFF] * 30)


def test_an_agreement_that_grows_gets_its_chance() -> None:
    slow = [GOOD | {"label_agreement": 0.01 * place} for place in range(20)]
    assert not findings(LabelsIgnored(), slow)


def test_no_labels_and_followed_labels_are_no_finding() -> None:
    no_labels = {name: value for name, value in GOOD.items() if "label" not in name}
    for checks in ([GOOD] * 30, [no_labels] * 30, effects(*[0.3] * 30)):
        for detector in (LabelsIgnored(), ClassCollapse()):
            assert not findings(detector, checks)
            assert not detector.unavailable_reason


def test_one_lost_class_is_a_warning_that_names_it() -> None:
    lost = GOOD | {"class_missing_share": 0.1, "worst_class": 7.0}
    assert not findings(ClassCollapse(), [lost] * 8)
    [found] = findings(ClassCollapse(), [lost] * 13)
    assert (found.kind, found.severity) == ("class_collapse", "warning")
    assert "class 7" in found.message
    [found] = findings(ClassCollapse(), [lost] * 13 + [GOOD] * 2)
    assert found.resolved


def test_labels_ignored_are_not_reported_as_lost_classes_too() -> None:
    examiner = Examiner()
    for step in range(0, 1600, EVERY):
        examiner.update(Reading(step, 1, {"d_acc_real": 0.6, "d_acc_fake": 0.6}))
        examiner.update_probe(Probe(step, UNRELATED | {"class_missing_share": 0.8}))
    verdict = examiner.verdict()
    assert verdict.status == "failed"
    assert [f.kind for f in verdict.findings] == ["labels_ignored"]


def test_labels_without_effect_so_far_are_not_called_healthy() -> None:
    examiner = Examiner()
    for step in range(400):
        examiner.update(Reading(step, 1, {"d_acc_real": 0.6, "d_acc_fake": 0.6}))
    for step in (100, 200, 300):
        examiner.update_probe(Probe(step, GOOD | {"label_effect": 0.0}))
    assert examiner.verdict().status == "unknown"
    assert "G ignores its labels" in examiner.verdict().reason
