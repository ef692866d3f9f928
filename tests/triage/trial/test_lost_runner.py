"""A trial does not outlive the runner that started it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from paths import ROOT

from keras_collapse.triage.executors.jobs import RUNNER, environment

TRIAL = """
import time
from keras_collapse.triage.trial import worker
worker._end_with_parent()
print("begun", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("gone", [True, False])
def test_a_trial_whose_runner_died_while_it_started_ends(gone: bool) -> None:
    variables = environment(1, {**os.environ, "PYTHONPATH": str(ROOT)}, 1, None)
    assert variables[RUNNER] == str(os.getpid())
    if gone:
        variables[RUNNER] = "999999999"  # nobody has it
    trial = subprocess.Popen([sys.executable, "-c", TRIAL], env=variables, stdout=subprocess.PIPE)
    with trial:
        assert trial.stdout is not None
        trial.stdout.readline()
        try:
            status = trial.wait(60 if gone else 1.5)
        except subprocess.TimeoutExpired:
            status = None
        trial.kill()
    assert status == (1 if gone else None)
