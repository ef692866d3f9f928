"""``kc.triage`` passes on what it was given, and says how it was called."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from keras_collapse import triage
from keras_collapse.core.errors import InputError
from keras_collapse.triage.options import Options

api = importlib.import_module("keras_collapse.triage.api")


def train(trial: Any) -> None:
    """An experiment that is never run here."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Options, str]]:
    found: list[tuple[Options, str]] = []
    monkeypatch.setattr(
        api, "run_triage", lambda options, console, call: found.append((options, call)) or [None]
    )
    return found


def test_options_reach_the_runner_in_its_own_form(asked: list[tuple[Options, str]]) -> None:
    triage("plan-b", "gan.py:train", batch_sizes=(16, 64), stronger_d={"width": 2}, budget="1h")
    [(options, call)] = asked
    assert (options.plan, options.experiment) == ("plan-b", "gan.py:train")
    assert (options.batch_sizes, options.stronger_d) == ("16,64", ["width=2"])
    assert options.out == Path("collapse_triage/gan-plan-b")
    assert call == (
        "kc.triage('plan-b', 'gan.py:train', batch_sizes=(16, 64), stronger_d={'width': 2}, "
        "budget='1h')"
    )


def test_a_function_is_found_by_the_trials_and_no_secret_is_printed(
    asked: list[tuple[Options, str]], tmp_path: Path
) -> None:
    triage("plan-a", train, params={"width": 8, "api_key": "hunter2"}, out=tmp_path / "here")
    [(options, call)] = asked
    assert options.param == ["width=8", "api_key=hunter2"]
    assert options.experiment == f"{__file__}:train"
    assert "hunter2" not in call
    assert call.startswith("kc.triage('plan-a', train, params={'width': 8, 'api_key': '***")


def test_an_unknown_option_is_one_line(asked: list[tuple[Options, str]]) -> None:
    with pytest.raises(InputError, match=r"unknown option 'batches'\. Give one of: .*batch_sizes"):
        triage("plan-a", train, batches=(16,))
    assert not asked
    assert not Path("collapse_triage").exists()
