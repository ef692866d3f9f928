"""A triage's table of trials, its report, and its file of settings that work."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from simulated import Simulated
from test_runner import rates_ratio, run

from keras_collapse.core.errors import InputError
from keras_collapse.outputs.report.triage_report import show_diagnosis, write_report
from keras_collapse.outputs.terminal.trials_table import TrialsTable
from keras_collapse.reproducibility.known_good import FILE_NAME, KnownGood, read_known_good
from keras_collapse.triage.options import Options
from keras_collapse.triage.plans import TrialConfig
from keras_collapse.triage.spec import spec_of


def test_the_report_names_cause_fix_and_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(tmp_path, Simulated(rates_ratio)).to_dict()
    write_report(tmp_path, found, "keras-collapse triage full gan.py:train")
    text = (tmp_path / "report.md").read_text()
    page = (tmp_path / "report.html").read_text()
    for part in (text, page):
        assert "learning rate ratio" in part
        assert "1e-05 → 0.002" in part
        assert "keras-collapse triage full gan.py:train" in part
        assert "3 of 3 (29% to 100%)" in part
        assert "0 of 3" in part
    assert "| seed 42, batch 64, repeat 2 |" in text
    show_diagnosis(found, tmp_path)
    said = capsys.readouterr().out
    assert "ROOT CAUSE: LEARNING RATE RATIO, confidence 0.95" in said
    assert "Fix tested: D's learning rate 1e-05 → 0.002: passed on 3 of 3 new seeds" in said
    assert len(said.splitlines()) <= 24


def test_the_guides_tables_show_our_results_and_why_a_row_does_not_match(tmp_path: Path) -> None:
    def fails(trial: TrialConfig) -> bool:
        return trial.batch_size > 16

    found = run(tmp_path, Simulated(fails)).to_dict()
    write_report(tmp_path, found, "again")
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# Root cause: batch size\n")
    assert "| 2 | 42 | 64 | should match run 1 exactly | failed (mode collapse), bit-id" in text
    assert "| 1 | 42 | 16 | smallest batch size | healthy |" in text
    assert "| 5 | 456 | 64 | another seed | failed (mode collapse) |" in text
    rows = {row["root_cause"]: row["match"] for row in found["guide"]["step_3"]}
    assert rows["batch size"] == "matches"
    assert rows["initialization"] == "every seed fails at 64"
    assert "| Reduce batch size, or scale LR with batch size | **matches** |" in text
    page = (tmp_path / "report.html").read_text()
    assert 'class="matches"' in page
    assert "The guide&#39;s Plan A" in page or "The guide's Plan A" in page


def test_plan_b_as_printed_names_the_trials_that_it_lacks(tmp_path: Path) -> None:
    found = run(tmp_path, Simulated(lambda t: t.batch_size > 16), "plan-b").to_dict()
    assert found["root_cause"] == "inconclusive"
    row = found["guide"]["step_3"][1]
    assert row["match"] == "only seed 42 was tried at 16"
    assert found["guide"]["tie_breakers"] == ["seed 123, batch 16", "seed 456, batch 16"]


def test_all_text_is_escaped(tmp_path: Path) -> None:
    found = run(tmp_path, Simulated(lambda t: False)).to_dict()
    found["statement"] = "<script>alert(1)</script>"
    write_report(tmp_path, found, "a < b")
    page = (tmp_path / "report.html").read_text()
    assert "<script>" not in page
    assert "a &lt; b" in page


def test_what_works_is_written_and_read_back(tmp_path: Path) -> None:
    def fails(trial: TrialConfig) -> bool:
        return trial.batch_size > 16 and "rates_factor" not in trial.changes

    good = run(tmp_path, Simulated(fails)).known_good()
    assert good is not None
    assert (good.batch_size, good.batch_size_cap) == (16, 16)
    assert set(good.seeds) >= {42, 123, 456}
    path = tmp_path / FILE_NAME
    path.write_text(good.to_toml())
    assert read_known_good(path) == good


def test_a_cures_settings_are_what_works(tmp_path: Path) -> None:
    good = run(tmp_path, Simulated(rates_ratio)).known_good()
    assert good is not None
    assert good.changes == {"d_rate": 0.002}


def test_nothing_works_means_no_file(tmp_path: Path) -> None:
    assert run(tmp_path, Simulated(lambda t: True)).known_good() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds = [", "not valid TOML"),
        ("batch_size = 1", "seeds: Field required"),
        ("seeds = []\nbatch_size = 1", r"seeds: List should have at least 1 item.*Received: \[\]"),
        ("seeds = 42\nbatch_size = 1", r"seeds: Input should be a valid list. Received: 42\."),
        ("seeds = [-1]\nbatch_size = 1", r"seeds\.0: .*Received: -1"),
        ("seeds = [1]\nbatch_size = 1\nsize = 2", "size: Extra inputs are not permitted"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(InputError, match=said) as error:
        read_known_good(tmp_path / FILE_NAME)
    assert "\n" not in str(error.value)


def test_names_and_values_survive_toml(tmp_path: Path) -> None:
    odd = KnownGood(
        seeds=[1], batch_size=8, batch_size_cap=8, changes={"init": 'a "b" \\ c'},
        params={"x": True, "y": 0.1, "a name": "\U0001f42b\n"}, experiment="ä.py:train",
    )  # fmt: skip
    (tmp_path / FILE_NAME).write_text(odd.to_toml(), encoding="utf-8")
    assert read_known_good(tmp_path / FILE_NAME) == odd


def shown(width: int, terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    with TrialsTable(console) as table:
        table.add("a", "seed 42, batch 64", 100)
        table.add("b", "seed 123, batch 64", 100)
        table.progress({"a": {"step": 50, "steps": 100, "verdict": "failed"}})
        table.refresh(force=True)
        table.end("b", "unknown", 100, 9.0, "bad samples at the end")
        table.end("a", "failed", 60, 75.0, note="mode collapse; stopped early, 40 steps saved")
    return file.getvalue()


def test_a_pipe_gets_a_line_for_each_change() -> None:
    assert shown(80, terminal=False).splitlines() == [
        "seed 42, batch 64: started",
        "seed 123, batch 64: unknown after 100 steps, 0:09; bad samples at the end",
        "seed 42, batch 64: failed after 60 steps, 1:15; mode collapse; stopped early, "
        "40 steps saved",
    ]


@pytest.mark.parametrize("width", [60, 120])
def test_a_terminal_gets_a_table(width: int) -> None:
    text = shown(width, terminal=True)
    assert "✘ failed" in text
    assert "s left" in text
    assert "? unknown, bad" in text
    assert "· waiting" in text
    assert "▶ running" in text
    plain = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", text)
    assert max(map(len, plain.splitlines())) <= width


def test_known_good_is_where_the_next_triage_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    (tmp_path / "gan.py").write_text("def train(trial): ...\n")
    (tmp_path / FILE_NAME).write_text(
        KnownGood(seeds=[7, 9], batch_size=512, batch_size_cap=512, params={"width": 2}).to_toml()
    )
    options = Options(
        "plan-b", "gan.py:train", arguments=["--rate", "1e-3"], known_good=Path(FILE_NAME)
    )
    plan = spec_of(options).plan
    cells = [(trial.seed, trial.batch_size) for trial in plan.trials]
    assert cells == [(7, 256), (7, 512), (123, 512), (456, 512)]
    assert plan.trials[0].params == {"width": 2, "rate": 1e-3}
