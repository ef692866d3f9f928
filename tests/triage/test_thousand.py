"""The runner's own work for a trial does not grow with the number of trials."""

from __future__ import annotations

from pathlib import Path

import pytest
from thousand import measure

from keras_collapse.triage.plans import TrialConfig


def test_a_trials_key_is_not_computed_for_every_other_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[TrialConfig] = []
    own = TrialConfig.key.fget
    assert own is not None
    counting = property(lambda trial: calls.append(trial) or own(trial))
    monkeypatch.setattr(TrialConfig, "key", counting)
    taken = []
    for count in (20, 80):
        calls.clear()
        (tmp_path / str(count)).mkdir()
        measure(tmp_path / str(count), count)
        taken.append(len(calls) / count)
    assert taken[1] < 1.5 * taken[0]
