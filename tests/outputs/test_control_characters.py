"""Names and findings cannot clear the screen, set a title or reorder a line, wherever shown."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from rich.console import Console

from keras_collapse.core.findings import Finding, Severity, Status, Verdict
from keras_collapse.core.guard import warn
from keras_collapse.core.process.printable import printable
from keras_collapse.outputs.report.run_report import write_run_report
from keras_collapse.outputs.report.triage_report import markdown
from keras_collapse.outputs.run_state import RunState
from keras_collapse.outputs.terminal.run_panel import LivePanel
from keras_collapse.outputs.terminal.summary import show
from keras_collapse.outputs.terminal.trials_table import TrialsTable

EVIL = "x\x1b]0;title\x07\x1b[2J\x9b31m\r\x08\u202egnp\u2066\u200b\x00"


def assert_clean(text: str) -> None:
    odd = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}
    assert not odd, sorted(odd)


def finding() -> Finding:
    return Finding(f"kind{EVIL}", Severity.FAILED, 3, 9, f"message{EVIL}", {f"name{EVIL}": EVIL},
                   [f"advice{EVIL}"])  # fmt: skip


def verdict() -> Verdict:
    return Verdict(Status.FAILED, [finding()], f"reason{EVIL}", 10)


def console(is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=100, color_system=None)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run with such names and findings, as a monitor writes it."""
    folder = tmp_path / "run"
    folder.mkdir()
    plain = finding().to_dict()
    records = [
        {"record": "run", "schema": 1, "time": 0, "command": EVIL, "cwd": EVIL},
        {"record": "fit", "step": 0, "facts": {"model": EVIL, EVIL: EVIL, "summary": {EVIL: EVIL}}},
        {"record": "reader", "signals": None, "averaging": "batch", "origin": 0, "means": None},
        *(
            {"record": "logs", "step": i, "epoch": 0, "logs": {"d_loss": 0.7, EVIL: 1.0}}
            for i in range(9)
        ),
        {"record": "unavailable", "reason": EVIL},
        {"record": "kept", "which": EVIL, "step": 3, "quality": 0.5, "name": EVIL},
        {"record": "finding", "finding": plain},
        {"record": "report", "finding": plain},
        {"record": "end", "verdict": verdict().to_dict(""), "ended_by": EVIL},
    ]
    (folder / "journal.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    return folder


def ran(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "keras_collapse.cli", *map(os.fsencode, map(str, arguments))]
    return subprocess.run(command, capture_output=True, timeout=120, check=False)


@pytest.mark.parametrize("command", ["diagnose", "watch", "report"])
def test_commands_print_none(run: Path, command: str) -> None:
    done = ran(command, run)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout
    assert_clean(done.stdout.decode())
    assert_clean(done.stderr.decode())


def test_errors_print_none_either(tmp_path: Path) -> None:
    log = tmp_path / "run.csv"
    log.write_text(f"step,{EVIL.replace(chr(13), '')}\n0,1\n", encoding="utf-8")
    done = ran("diagnose", log)
    assert (done.returncode, done.stdout) == (2, b"")
    assert_clean(done.stderr.decode())


def test_a_name_that_is_not_utf_8_can_be_shown(tmp_path: Path) -> None:
    log = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv"))
    log.write_text("step,d_loss\n" + "".join(f"{i},0.7\n" for i in range(9)))
    for arguments in (["diagnose", log], ["report", log, "--out", f"{log}.html"]):
        done = ran(*arguments)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"\\xff.csv" in done.stdout


@pytest.mark.parametrize("is_terminal", [False, True])
def test_the_verdict_holds_none(is_terminal: bool) -> None:
    screen = console(is_terminal)
    show(verdict(), EVIL, [EVIL], screen, follow=EVIL)
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "\\x1b" in text
    assert_clean(text)


def test_the_live_panel_holds_none() -> None:
    state, screen = RunState(), console(False)
    state.on_run({"model": EVIL, "epochs": 3, "steps": 10})
    state.on_logs(5, {})
    state.on_finding(finding())
    state.ended = EVIL
    screen.print(LivePanel(state))
    state.on_verdict(verdict(), None)
    screen.print(LivePanel(state))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "\\x1b" in text
    assert_clean(text)


def test_the_table_of_trials_holds_none() -> None:
    screen = console(False)
    table = TrialsTable(screen)
    table.add("a", EVIL, 10)
    table.end("a", f"failed{EVIL}", 10, 1.0, EVIL, EVIL)
    table.say(EVIL)
    screen.print(table.table())
    assert_clean(screen.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize("step", [[], "x", None, 1e400, 10**400, -3])
def test_a_trial_with_an_odd_progress_is_shown_as_starting(step: object) -> None:
    table = TrialsTable(console(False))
    table.add("a", "trial", 10)
    table.progress({"a": {"step": step, "verdict": []}})
    assert table.rows["a"].state == "starting"


def test_reports_hold_none(run: Path) -> None:
    page = write_run_report(str(run)).read_text(encoding="utf-8")
    assert "\\x1b" in page
    assert_clean(page)


def test_the_report_of_a_triage_holds_none() -> None:
    found = {
        "experiment": EVIL, "root_cause": "none", "kind": EVIL, "statement": EVIL,
        "confidence": None,
        "rule": EVIL, "solution": [EVIL], "cure": [], "plan": "full", "evidence": {},
        "notes": [EVIL],
        "reproducible": {"to_the_bit": True}, "check": {}, "trials": [],
        "guide": {"plan_a": [{"seed": 1, "batch_size": 2, "expected": EVIL, "result": EVIL}],
                  "plan_b": [], "step_3": [], "tie_breakers": []},
    }  # fmt: skip
    row = {"name": EVIL, "purpose": EVIL, "verdict": EVIL, "why": EVIL, "steps": 1, "seconds": "1"}
    assert_clean(markdown(found, [row], EVIL))


def test_a_warning_of_ours_holds_none() -> None:
    with pytest.warns(UserWarning, match="message") as caught:
        warn(f"message {EVIL}")
    assert_clean(str(caught[0].message))


@pytest.mark.backend("torch")
def test_what_is_printed_while_training_holds_none(capsys: pytest.CaptureFixture[str]) -> None:
    from keras_collapse.training.on_failure import Reaction

    Reaction("warn", verbose=1).to(finding(), lambda: None, lambda: None)
    text = capsys.readouterr().out
    assert "message" in text
    assert_clean(text)


def test_other_text_is_left_alone() -> None:
    for text in ("naïve — 50 % ± 3", "日本語", "مرحبا", "👩‍🔬 ok", "a\u00a0b"):
        assert printable(text) == text
