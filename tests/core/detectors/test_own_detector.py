"""A person's own detector, as the documentation shows it, word for word."""

from __future__ import annotations

import re
from typing import Any

from paths import ROOT

import keras_collapse as kc
from keras_collapse.core.examiner import Examiner
from keras_collapse.core.readings.reading import Reading

PAGE = ROOT / "docs" / "how-it-decides.md"


def test_ten_lines_are_a_detector() -> None:
    section = PAGE.read_text(encoding="utf-8").split("## A detector of your own")[1]
    match = re.search(r"```python\n(class .*?)\n+monitor = ", section, re.DOTALL)
    assert match is not None
    code = match[1].strip()
    assert len([line for line in code.splitlines() if line]) <= 10
    found: dict[str, Any] = {"kc": kc}
    exec(code, found)
    examiner = Examiner([*kc.default_detectors(), found["Quiet"]()])
    for step in range(600):
        examiner.update(Reading(step, 1, {"g_loss": 0.7, "d_acc_real": 0.6, "d_acc_fake": 0.6}))
    verdict = examiner.verdict()
    assert verdict.status == "warning"
    assert [f.kind for f in verdict.findings] == ["quiet"]
