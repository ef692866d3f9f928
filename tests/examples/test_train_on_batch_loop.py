"""The guide's loop is found out in its first step, and its cure is a cure."""

from __future__ import annotations

import pytest
from train_on_batch_loop import main, train


def test_the_loop_leaks_and_is_found_out(capsys: pytest.CaptureFixture[str]) -> None:
    monitor = train(steps=2)
    kinds = {finding.kind: finding for finding in monitor.verdict.findings}
    assert kinds["discriminator_leak"].first_step == 0
    assert "discriminator_frozen" not in kinds
    assert "discriminator.trainable = False before each" in capsys.readouterr().out


def test_two_lines_cure_it() -> None:
    assert main(["--cure", "--steps", "2"]) == 0
