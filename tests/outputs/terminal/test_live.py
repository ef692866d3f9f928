"""LiveMonitor in real fits: in a pipe, beside Keras' bar, after a fault, without a trace."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tiny import diverging_gan, once, ring, tiny_gan, weights

import keras_collapse as kc

pytestmark = pytest.mark.backend()


def console_of(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=80, height=40)


def said(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def fit(console: Console, gan: Any = None, epochs: int = 20) -> kc.CollapseMonitor:
    monitor = kc.CollapseMonitor(verbose=0)
    gan = gan or tiny_gan()
    gan.fit(ring(64), batch_size=32, epochs=epochs, callbacks=[kc.LiveMonitor(console), monitor])
    return monitor


@once
def test_in_a_pipe_it_prints_few_plain_lines_and_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    console = console_of(terminal=False)
    fit(console, epochs=40)
    lines = said(console).splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("? step 80/80, D loss 0.")
    assert "\x1b" not in said(console)
    assert "Epoch" not in capsys.readouterr().out


def test_on_a_terminal_it_draws_one_panel_in_place_of_the_bar(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = console_of(terminal=True)
    fit(console)
    text = said(console)
    assert "TOO EARLY" in text
    assert "step 40/40" in text
    assert "D accuracy" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back
    assert "Epoch" not in capsys.readouterr().out


def test_a_loop_of_ones_own_is_shown_too() -> None:
    console = console_of(terminal=False)
    monitor = kc.CollapseMonitor(verbose=0)
    with monitor.watching(callbacks=[kc.LiveMonitor(console)]):
        for step in range(300):
            monitor.update(d_loss=0.69 + 0.01 * (step % 3), g_loss=0.7, d_acc=0.5)
    assert "step 300, D loss 0.7" in said(console)
    assert len(said(console).splitlines()) < 10


@once
def test_a_failure_is_shown_when_it_is_found() -> None:
    console = console_of(terminal=False)
    monitor = fit(console, diverging_gan(), epochs=30)
    assert monitor.verdict.status == "failed"
    assert "divergence since step" in said(console)


@pytest.mark.first_step
@pytest.mark.usefixtures("as_users_compile")
def test_the_weights_are_the_same_with_it_and_without() -> None:
    def run(*callbacks: Any) -> list[np.ndarray]:
        kc.seed_everything(8)
        gan = tiny_gan()
        gan.fit(ring(64), batch_size=32, epochs=2, verbose=0, callbacks=list(callbacks))
        return weights(gan)

    live = kc.LiveMonitor(console_of(terminal=True))
    watched = run(kc.CollapseMonitor(verbose=0), live)
    assert all(np.array_equal(a, b) for a, b in zip(run(), watched, strict=True))


@once
def test_without_a_monitor_it_says_what_is_missing() -> None:
    gan = tiny_gan()
    with pytest.warns(UserWarning, match=r"Put a CollapseMonitor\(\)"):
        gan.fit(ring(64), batch_size=32, verbose=0, callbacks=[kc.LiveMonitor()])


@once
def test_a_fault_of_its_own_costs_the_panel_only() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("the terminal is gone")

    console = Console(file=Broken(), force_terminal=True)
    with pytest.warns(UserWarning, match="LiveMonitor has switched itself off"):
        monitor = fit(console, epochs=3)
    assert monitor.verdict.steps == 6
