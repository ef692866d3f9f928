"""Advice fits what trains a run, and sends nobody to look for what was ruled out."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from keras_collapse.core import detectors
from keras_collapse.core.advice import LABELS, UPDATES, Driver, Line, Setting, advice_for
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.findings import Finding, Severity, Verdict
from keras_collapse.core.readings.reading import Reading

FOREIGN = {
    Driver.FIT: ["train_on_batch", "combined model"],
    Driver.TRAIN_ON_BATCH: ["train_step", "audit", "gradient penalty"],
    Driver.UPDATE: ["train_step", "audit", "train_on_batch", "combined model"],
    Driver.LOG: [],
}
"""Words that have no place where something else trains a run."""


def all_lines() -> list[str]:
    """Every line of every detector that has lines of its own for some runs."""
    names = [one.name for one in pkgutil.iter_modules(detectors.__path__)]
    modules = [importlib.import_module(f"{detectors.__name__}.{name}") for name in names]
    groups = [v for m in modules for k, v in vars(m).items() if k.endswith("ADVICE")]
    parts = [p for g in groups for p in (g.values() if isinstance(g, dict) else [g])]
    return [line for part in parts for line in part]


def pinned(setting: Setting, *reports: str) -> Verdict:
    examiner = Examiner()
    examiner.setting = setting
    for kind in reports:
        examiner.report(Finding(kind, Severity.FAILED, 0, 0, "It is."))
    for step in range(400):
        examiner.update(Reading(step, 1, {"d_acc_real": 1.0, "d_acc_fake": 0.0}))
    return examiner.verdict()


@pytest.mark.parametrize("driver", Driver)
@pytest.mark.parametrize("checked", [(), (UPDATES, LABELS)])
def test_no_line_is_about_another_kind_of_training(driver: Driver, checked: list[str]) -> None:
    lines = all_lines()
    assert sum(isinstance(line, Line) for line in lines) > 20
    shown = advice_for(lines, Setting(driver, frozenset(checked)))
    assert not [line for line in shown if any(word in line for word in FOREIGN[driver])]
    assert all(type(line) is str for line in shown)


@pytest.mark.parametrize("driver", Driver)
def test_every_line_is_shown_somewhere(driver: Driver) -> None:
    known = [Setting(driver, frozenset(c)) for c in ((), (UPDATES,))]
    of_driver = [x for x in all_lines() if not isinstance(x, Line) or driver in x.drivers]
    shown = {line for setting in known for line in advice_for(of_driver, setting)}
    assert shown == set(map(str, of_driver))


@pytest.mark.parametrize("driver", Driver)
def test_a_leak_is_looked_for_only_where_none_was_ruled_out(driver: Driver) -> None:
    unknown = pinned(Setting(driver)).findings[0]
    assert unknown.advice[0].startswith("Look for a leak first")
    assert ("train_on_batch" in unknown.advice[0]) == (
        driver in (Driver.TRAIN_ON_BATCH, Driver.LOG)
    )
    ruled_out = pinned(Setting(driver, frozenset({UPDATES}))).findings[0]
    assert ruled_out.advice[0].startswith("Make D stronger")
    assert "leak" not in " ".join(ruled_out.advice)


def test_a_leak_that_was_found_comes_first() -> None:
    setting = Setting(Driver.FIT, frozenset({UPDATES}))
    leak, other = pinned(setting, "discriminator_leak").findings
    assert (leak.kind, other.kind) == ("discriminator_leak", "discriminator_pinned")
    assert other.advice[0].startswith("Fix discriminator_leak first")


def test_a_loop_after_a_fit_has_its_own_setting() -> None:
    fit = Setting(Driver.FIT, frozenset({UPDATES})).also(Setting(Driver.FIT, frozenset({LABELS})))
    assert fit.checked == {UPDATES, LABELS}
    assert fit.also(Setting(Driver.UPDATE)) == Setting(Driver.UPDATE)
