"""The panel of a run, drawn for terminals of many kinds; no framework is needed."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from keras_collapse.core.findings import Finding, Severity, Status, Verdict
from keras_collapse.core.journal import Journal
from keras_collapse.core.process.identity import this_process
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.records import (
    SCHEMA,
    FindingChanged,
    FitStarted,
    ReaderSettings,
    RunEnded,
    RunStarted,
    StepLogs,
)
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.followers.journal import JournalFollower
from keras_collapse.outputs.run_state import Curve, RunState
from keras_collapse.outputs.style import CYAN, GREEN, RED, YELLOW
from keras_collapse.outputs.terminal.run_panel import LivePanel
from keras_collapse.outputs.terminal.text_graphics import sparkline, thumbnails
from keras_collapse.outputs.terminal.watch import watch, watched_run

PINNED = Finding(
    "discriminator_pinned", Severity.FAILED, 300, 899, "D calls everything real.",
    {"d_acc_real": 1.0}, ("Look for a leak.", "Make D stronger.", "Another seed.", "Hidden."),
)  # fmt: skip


def state_of(steps: int = 900, failing: bool = True) -> RunState:
    state = RunState()
    state.on_run({"model": "gan", "epochs": 10, "steps": 100})
    rng = np.random.default_rng(0)
    for step in range(steps):
        pinned = failing and step >= 300
        real = 0.99 if pinned else 0.6 + 0.1 * rng.random()
        fake = 0.01 if pinned else 0.6
        loss = 0.73 if pinned else 0.6 + 0.1 * rng.random()
        values = {"d_loss": loss, "d_acc_real": real, "d_acc_fake": fake, "g_loss": 1.0}
        state.on_reading(Reading(step, 1, values))
    state.on_probe(Probe(steps - 1, {"missing_share": 0.25}))
    state.on_samples(steps - 1, np.arange(400 * 400, dtype=np.uint32).reshape(400, 400) % 251)
    state.picture = state.picture.astype(np.uint8)
    if failing:
        state.on_finding(PINNED)
    return state


def drawn(state: RunState, width: int = 80, height: int = 40, **kind: object) -> str:
    settings = {"force_terminal": True, "color_system": "truecolor", **kind}
    file = io.TextIOWrapper(io.BytesIO(), encoding=str(settings.pop("encoding", "utf-8")))
    console = Console(file=file, width=width, height=height, **settings)  # type: ignore[arg-type]
    console.print(LivePanel(state))
    file.flush()
    assert isinstance(file.buffer, io.BytesIO)
    return file.buffer.getvalue().decode(file.encoding)


def test_it_says_how_it_is_since_when_and_what_to_do() -> None:
    text = drawn(state_of(), color_system=None)
    assert "✘ FAILED  discriminator_pinned since step 300" in text
    assert "step 900/1000" in text
    assert "▴ since step 300" in text or "since step 300 ▴" in text
    assert "1. Look for a leak." in text
    assert "Hidden." not in text
    assert "0.730!" in text  # in the guide's band
    assert "data missed   0.250" in text


def test_curves_share_one_axis_of_steps() -> None:
    """A sample check comes once an epoch, and is drawn as wide as the steps that it stands for."""
    lines = drawn(state_of(), color_system=None).splitlines()
    ends = {len(line.rstrip(" │┃|")) for line in lines if "D loss" in line or "data missed" in line}
    assert len(ends) == 1


@pytest.mark.parametrize(("width", "height"), [(60, 15), (60, 24), (80, 24), (200, 60)])
def test_it_fits_every_terminal(width: int, height: int) -> None:
    lines = drawn(state_of(), width, height, color_system=None).splitlines()
    assert len(lines) < height
    assert {len(line) for line in lines} == {width}
    assert any("FAILED" in line for line in lines)
    assert any("D loss" in line for line in lines)


def test_without_colours_the_symbols_still_tell() -> None:
    text = drawn(state_of(), no_color=True, color_system=None)
    assert "\x1b[" not in text
    assert "✘" in text
    healthy = drawn(state_of(failing=False), no_color=True, color_system=None)
    assert "✔ NO FAILURE  no failure found so far" in healthy


def test_where_only_ascii_can_be_shown_nothing_else_is() -> None:
    text = drawn(state_of(), encoding="ascii", color_system=None)
    assert text.isascii()
    assert "X FAILED" in text
    assert "since step 300" in text


def test_suspicious_values_are_red() -> None:
    line = sparkline([0.6, 0.73], 2, bands=((0.72, 0.75),))
    assert [str(span.style) for span in line.spans] == [CYAN, f"bold {RED}"]


def test_samples_of_any_form_become_characters() -> None:
    grid = np.zeros((400, 400, 3), np.uint8)
    grid[:50, :25] = 255  # the left half of the first sample
    (first, *_) = thumbnails(grid, 40, 4, plain=True)
    assert first.plain[:8] == "@@@@    "
    points = np.full((400, 400, 3), 255, np.uint8)
    assert len(thumbnails(points, 60, 6, plain=False)) == 6
    assert thumbnails(grid[:10], 40, 4, plain=True) == []


def test_a_curve_of_a_million_steps_stays_small_and_true() -> None:
    curve = Curve()
    for step in range(100_000):
        curve.add(step, float(step))
    assert len(curve.values) <= 2048
    assert curve.values == sorted(curve.values)
    assert curve.steps[-1] == pytest.approx(99_999, abs=100)


# -- the journal, followed ---------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    found = Journal(tmp_path / "run")
    found.write(RunStarted(SCHEMA, 0.0, this_process()))
    facts = {"model": "gan", "epochs": 2, "steps": 50}
    found.write(FitStarted(0, facts))
    found.write(ReaderSettings(None, "batch", 0, None))
    for step in range(60):
        found.write(StepLogs(step, step // 50, {"d_loss": 0.7, "g_loss": 0.8}))
    found.flush()
    return found


def test_the_journal_is_read_on_as_it_grows(journal: Journal) -> None:
    state = RunState()
    follower = JournalFollower(journal.folder, state)
    follower.read()
    assert state.step == 59
    journal.write(StepLogs(60, 1, {"d_loss": 0.5, "g_loss": 0.8}))
    journal.flush()
    with journal.path.open("a") as file:
        file.write('{"record":"logs","st')  # cut in the middle
        file.flush()
        follower.read()
        assert state.step == 60
        file.write('ep":61,"epoch":1,"logs":{"d_loss":0.4,"g_loss":0.8}}\n')
    follower.read()
    assert (state.step, state.curves["d_loss"].last) == (61, 0.4)
    assert state.status[0] is Status.UNKNOWN
    assert not state.ended


def test_it_says_when_lines_are_broken(journal: Journal) -> None:
    journal.flush()
    with journal.path.open("a") as file:
        file.write('{"record": "logs", "st\n' * 3)
    found = watched_run(journal.folder)
    found.read()
    assert "broken lines: 3" in found.line
    assert "skipped: 3" in drawn(found.state)


def test_it_says_when_a_run_was_killed(journal: Journal) -> None:
    text = journal.path.read_text().replace(f'"pid":{this_process()["pid"]}', '"pid":4194305')
    journal.path.write_text(text)
    found = watched_run(journal.folder)
    console = Console(file=io.StringIO())
    assert watch(found, console) is False
    assert "its process is gone" in console.file.getvalue()  # type: ignore[attr-defined]


def test_it_says_when_a_run_has_gone_silent(journal: Journal) -> None:
    found = watched_run(journal.folder)
    found.read()
    assert found.line.startswith("? too early")
    before = time.time() - 300
    os.utime(journal.path, (before, before))
    found.read()
    assert not found.over
    assert found.line.startswith("? nothing written lately")
    assert "nothing written for 5:" in drawn(found.state, color_system=None)


def test_a_run_that_has_ended_is_shown_with_its_verdict(journal: Journal) -> None:
    journal.write(FindingChanged(PINNED))
    verdict = Verdict(Status.FAILED, (PINNED,), "discriminator_pinned since step 300", 60, "batch")
    journal.write(RunEnded(verdict))
    journal.flush()
    console = Console(file=io.StringIO(), width=80)
    assert watch(watched_run(journal.folder.parent), console) is True
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said.splitlines() == ["✘ discriminator_pinned since step 300, step 60/100"]


@pytest.mark.parametrize("colour", [GREEN, YELLOW, RED, CYAN])
def test_colours_are_readable_on_white_and_on_black(colour: str) -> None:
    def light(shade: int) -> float:  # WCAG 2.1, relative luminance
        part = shade / 255
        return part / 12.92 if part <= 0.03928 else float(((part + 0.055) / 1.055) ** 2.4)

    red, green, blue = (light(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert 1.05 / (luminance + 0.05) >= 3
    assert (luminance + 0.05) / 0.05 >= 3
