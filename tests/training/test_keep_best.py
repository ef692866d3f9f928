"""The best generator is kept: its weights, its step, its quality, and the line that restores it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from mlflow import MlflowClient
from programs import networks
from states import EPOCH, States, arrays, drawn_data, equal
from test_loops import steps, values
from tiny import once, ring, slow_where_compiled, tiny_gan, weights

import keras_collapse as kc
from keras_collapse.core.detectors.sample_quality import bad, quality
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SamplesChecked
from keras_collapse.outputs.markdown import description
from keras_collapse.outputs.report.run_report import write_run_report
from keras_collapse.training.probe import prober

pytestmark = pytest.mark.backend()


@pytest.fixture(autouse=True)
def every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """These trainings are shorter than the steps between two comparisons."""
    monkeypatch.setattr(prober, "APART", 1)


def train(
    folder: Path | None, *extra: Any, epochs: int = 6, own_data: bool = True, **how: Any
) -> tuple[Any, kc.CollapseMonitor, States]:
    kc.seed_everything(3)
    gan, states = tiny_gan(d_rate=1e-4, g_rate=1e-4), States()
    monitor = kc.CollapseMonitor(run_dir=folder, **({"verbose": 0, "keep_best": True} | how))
    data = drawn_data(gan.generator) if own_data else ring()
    callbacks = [*extra, states, monitor]
    gan.fit(data, batch_size=32, epochs=epochs, verbose=0, callbacks=callbacks)
    return gan, monitor, states


def restored(line: str) -> list[np.ndarray]:
    """The weights of a new generator after the line of code has run."""
    generator = tiny_gan().generator
    exec(line, {"generator": generator})
    return arrays(generator)


@functools.cache
def bare() -> list[np.ndarray]:
    kc.seed_everything(3)
    gan = tiny_gan(d_rate=1e-4, g_rate=1e-4)
    data = drawn_data(gan.generator)
    gan.fit(data, batch_size=32, epochs=6, verbose=0)
    return weights(gan)


@pytest.mark.first_step
@pytest.mark.parametrize("every", ["epoch", 5])
def test_the_training_is_bit_identical(tmp_path: Path, every: Any) -> None:
    gan, monitor, _ = train(tmp_path / "run", every=every)
    assert monitor.verdict.kept
    assert len(bare()) > 20
    assert equal(bare(), weights(gan))


def test_the_lines_of_code_restore_the_best_and_the_last_healthy_generator(tmp_path: Path) -> None:
    _, monitor, states = train(tmp_path / "run")
    best, healthy = monitor.verdict.kept
    assert (best.which, healthy.which) == ("best", "healthy")
    for one in (best, healthy):
        assert equal(restored(one.restore), states.generator[one.step])
    probes = [r.probe for r in read_journal(tmp_path / "run") if isinstance(r, SamplesChecked)]
    rated = {p.step: worth for p in probes if (worth := quality(p)) is not None}
    assert len(set(rated.values())) > 1
    assert best.quality == max(rated.values()) == rated[best.step]
    assert healthy.step == max(step for step in rated if bad(probes[step // EPOCH]) is False)
    names = {path.name for path in (tmp_path / "run").glob("*.h5*")}
    assert names == {"best_generator.weights.h5", "healthy_generator.weights.h5"}


@once
def test_a_bad_check_is_never_the_last_healthy_one(tmp_path: Path) -> None:
    _, monitor, _ = train(tmp_path / "run", epochs=2, own_data=False)
    assert [one.which for one in monitor.verdict.kept] == ["best"]


@once
def test_a_run_with_a_failure_that_stands_has_no_healthy_check(tmp_path: Path) -> None:
    kc.seed_everything(3)
    gan = tiny_gan("leak", d_rate=1e-4, g_rate=1e-4)
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0, keep_best=True)
    gan.fit(drawn_data(gan.generator), batch_size=32, epochs=2, verbose=0, callbacks=[monitor])
    assert monitor.verdict.status == "failed"
    assert [one.which for one in monitor.verdict.kept] == ["best"]


@once
def test_the_journal_gives_the_same_files_and_other_outputs_name_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, monitor, _ = train(tmp_path / "run", verbose=1)
    printed = capsys.readouterr().out
    best = monitor.verdict.kept[0]
    assert kc.diagnose(tmp_path / "run") == monitor.verdict
    assert monitor.verdict.to_dict("")["kept"][0]["restore"] == best.restore
    assert type(monitor.verdict).from_dict(monitor.verdict.to_dict("")).kept == monitor.verdict.kept
    words = f"(step {best.step}, quality {best.quality:.2f})"
    page = write_run_report(str(tmp_path / "run")).read_text().replace("&#34;", '"')
    for text in (printed, description(monitor.verdict), page):
        assert words in text
        assert best.restore in text


@once
def test_without_it_nothing_is_saved(tmp_path: Path) -> None:
    _, monitor, _ = train(tmp_path / "run", keep_best=False, epochs=2)
    assert monitor.verdict.kept == ()
    assert "kept" not in monitor.verdict.to_dict("")
    assert not list((tmp_path / "run").glob("*.h5*"))


class DiskFull(keras.callbacks.Callback):
    """Lets ``save_weights`` of G fail in the middle of its file, from an epoch on."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch
        self.calls = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epoch:
            self.model.generator.save_weights = self._fail

    def _fail(self, path: Path) -> None:
        self.calls += 1
        Path(path).write_bytes(b"half of it")
        raise OSError("no space left on device")


@once
def test_a_save_that_fails_is_reported_once_and_leaves_whole_files(tmp_path: Path) -> None:
    full = DiskFull(epoch=1)
    with pytest.warns(UserWarning, match="keep_best has switched itself off.*no space") as caught:
        gan, monitor, states = train(tmp_path / "run", full)
    assert full.calls == 1
    assert len([one for one in caught if "keep_best" in str(one.message)]) == 1
    assert equal(bare(), weights(gan))
    assert {one.step for one in monitor.verdict.kept} == {EPOCH - 1}
    assert equal(restored(monitor.verdict.kept[0].restore), states.generator[EPOCH - 1])
    assert not list((tmp_path / "run").glob("*part*"))


@slow_where_compiled
def test_a_train_on_batch_loop_keeps_its_best_too(tmp_path: Path) -> None:
    def loop(keep: bool) -> tuple[kc.CollapseMonitor, Any]:
        kc.seed_everything(2)
        g, d, gan = parts = networks()
        folder = tmp_path / f"run-{keep}"
        monitor = kc.CollapseMonitor(5, run_dir=folder, verbose=0, real=ring(), keep_best=keep)
        with monitor.watching(generator=g, discriminator=d, combined=gan):
            steps(parts, 10)
        return monitor, parts

    (monitor, parts), (_, other) = loop(True), loop(False)
    assert monitor.verdict.kept[0].step in (4, 9)
    assert equal(values(parts), values(other))
    generator = networks()[0]
    generator.load_weights(monitor.verdict.kept[0].path)


@once
def test_mlflow_has_step_quality_line_and_weights(store: MlflowClient, tmp_path: Path) -> None:
    logger = kc.MLflowLogger()
    _, monitor, _ = train(tmp_path / "run", logger)
    best = monitor.verdict.kept[0]
    run = store.get_run(logger.run_id)
    assert run.data.tags["collapse.best_step"] == str(best.step)
    assert float(run.data.tags["collapse.best_quality"]) == pytest.approx(best.quality, rel=0.01)
    assert best.restore in run.data.tags["mlflow.note.content"]
    files = {file.path for file in store.list_artifacts(logger.run_id)}
    assert "best_generator.weights.h5" in files
    # A run that was read from the server does not name files of the machine that trained it.
    assert kc.diagnose(f"mlflow:{logger.run_id}").kept == ()


@once
def test_large_weights_stay_out_of_mlflow(
    store: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keras_collapse.outputs.mlflow.end_of_run.MOST_BYTES", 100)
    logger = kc.MLflowLogger()
    train(tmp_path / "run", logger, epochs=1)
    files = {file.path for file in store.list_artifacts(logger.run_id)}
    assert "journal.jsonl" in files
    assert "best_generator.weights.h5" not in files
