"""Every program's faults are named within its first steps, and a correct one raises no alarm."""

from __future__ import annotations

import warnings

import pytest
from programs import PROGRAMS, STEPS, Program

import keras_collapse as kc

pytestmark = pytest.mark.backend()

# Where steps are compiled the suite has every fourth program, and make test-slow the others.
SLOW = pytest.mark.slow("tensorflow", "jax")
CASES = [
    pytest.param(program, id=program.name, marks=[SLOW] if place % 4 else [])
    for place, program in enumerate(PROGRAMS)
]
ELSEWHERE = {"cumulative_metrics"}
"""Kinds that a Keras release brings, whatever the program."""


def test_there_are_enough_of_both() -> None:
    faulty = [program for program in PROGRAMS if program.faults]
    assert len(faulty) >= 25
    assert len(PROGRAMS) - len(faulty) >= 25


@pytest.mark.parametrize("program", CASES)
def test_faults_are_named_and_nothing_else(program: Program) -> None:
    monitor = kc.CollapseMonitor(verbose=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        program.train(monitor)
    assert not [str(w.message) for w in caught if "switched itself off" in str(w.message)]
    found = {f.kind: f for f in monitor.verdict.findings if f.kind not in ELSEWHERE}
    assert set(found) == program.faults
    assert all(f.first_step < STEPS for kind, f in found.items() if kind != "recompiled")
    assert all(finding.advice for finding in found.values())
