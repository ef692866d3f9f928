"""A run keeps its first samples, those after a finding, and its last, for its report."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import ring, tiny_gan

import keras_collapse as kc
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import PictureSaved
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.report.run_report import write_run_report
from keras_collapse.reproducibility.compare import compare

pytestmark = pytest.mark.backend()

SEVERITIES = {1: Severity.INFO, 2: Severity.WARNING, 3: Severity.WARNING, 4: Severity.FAILED}
"""Severity by sample check; each higher one is a new finding."""


class Worsening:
    """Warns at the second sample check and fails at the fourth."""

    kind, unavailable_reason = "worsening", ""

    def __init__(self) -> None:
        self.sample_checks = 0

    def update_probe(self, probe: Probe) -> None:
        self.sample_checks += 1

    @property
    def findings(self) -> list[Finding]:
        severity = SEVERITIES.get(self.sample_checks, Severity.FAILED)
        return [Finding(self.kind, severity, 0, self.sample_checks, "It gets worse.")]


def watched(folder: Path, epochs: int) -> kc.CollapseMonitor:
    monitor = kc.CollapseMonitor(run_dir=folder, verbose=0, detectors=[Worsening()])
    tiny_gan().fit(ring(128), batch_size=64, epochs=epochs, verbose=0, callbacks=[monitor])
    return monitor


def test_the_first_the_last_and_the_first_after_the_most_severe_finding_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sample checks may take all of the time, so that every epoch of this short fit has one.
    monkeypatch.setattr("keras_collapse.training.probe.prober.APART", 1)
    folder = tmp_path / "run"
    watched(folder, epochs=6)
    pictures = [r for r in read_journal(folder) if isinstance(r, PictureSaved)]
    steps = {
        name: [r.step for r in pictures if r.name == name]
        for name in ("samples_start.png", "samples_finding.png", "samples.png")
    }
    # Two steps an epoch: the second check warned, the fourth failed.
    assert steps["samples_start.png"] == [1]
    assert steps["samples_finding.png"] == [3, 7]
    assert steps["samples.png"] == [1, 3, 5, 7, 9, 11]
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in steps)
    assert (folder / "samples.png").read_bytes() != (folder / "samples_start.png").read_bytes()

    page = write_run_report(str(folder)).read_text(encoding="utf-8")
    for words in (
        "step 1: first sample check",
        "step 7: first one after a finding",
        "step 11: end",
    ):
        assert f"<figcaption>{words}</figcaption>" in page
    assert "<td>batch_size</td><td>64</td>" in page
    assert "Layers of the generator" in page
    # Other readers skip the records of pictures.
    assert kc.diagnose(folder).steps == 12
    assert compare(folder, folder).identical is True


def test_samples_that_cannot_be_saved_cost_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "samples.png").mkdir(parents=True)
    with pytest.warns(
        UserWarning, match="The keeping of pictures has switched itself off"
    ) as caught:
        monitor = watched(folder, epochs=3)
    assert len([w for w in caught if "keeping of pictures" in str(w.message)]) == 1
    assert monitor.verdict.steps == 6
    records = [r.kind for r in read_journal(folder)]
    assert "probe" in records
    assert "picture" not in records
    assert records[-1] == "end"
