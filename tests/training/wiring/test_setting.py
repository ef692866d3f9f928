"""What trains a run, and what of its wiring was checked, is known while it runs and afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
from programs import BATCH, PROGRAMS, networks
from test_loops import steps
from test_update_wiring import networks as two_networks
from test_update_wiring import step_of, watch
from tiny import ring, tiny_gan

import keras_collapse as kc
from keras_collapse.core.advice import BATCH_NORM, LABELS, UPDATES, Driver, Setting
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SettingSeen
from keras_collapse.training.wiring.faults import FAULTS, IN_A_LOOP

pytestmark = pytest.mark.backend()

DATA = 0.8 * ring(4 * BATCH)
ALL = frozenset({UPDATES, LABELS, BATCH_NORM})


def setting(folder: Path) -> Setting:
    return [r.setting for r in read_journal(folder) if isinstance(r, SettingSeen)][-1]


@pytest.mark.slow("jax")
def test_a_fit_has_checked_all(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    tiny_gan().fit(DATA, batch_size=BATCH, epochs=1, verbose=0, callbacks=[monitor])
    assert setting(tmp_path / "run") == Setting(Driver.FIT, ALL)


def test_a_train_on_batch_loop_has_checked_all(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    g, d, gan = parts = networks()
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        steps(parts, 2)
    assert setting(tmp_path / "run") == Setting(Driver.TRAIN_ON_BATCH, ALL)


def test_a_loop_whose_weights_cannot_move_yet_has_checked_no_update(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    g, d, gan = parts = networks()
    gan.optimizer.learning_rate = 0.0
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        steps(parts, 2)
    assert UPDATES not in setting(tmp_path / "run").checked


def test_a_loop_of_update_has_checked_its_updates() -> None:

    monitor = watch(*(parts := two_networks()), step_of(*parts, None), 3)
    assert monitor.run_dir is not None
    seen = {BATCH_NORM} if keras.backend.backend() == "torch" else set()  # nothing is compiled
    assert setting(monitor.run_dir) == Setting(Driver.UPDATE, frozenset({UPDATES, *seen}))


def test_numbers_alone_have_checked_nothing(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    for _ in range(400):
        monitor.update(d_loss=0.73, d_acc_real=1.0, d_acc_fake=0.0)
    monitor.on_train_end()
    assert setting(tmp_path / "run") == Setting(Driver.UPDATE)
    assert kc.diagnose(tmp_path / "run") == monitor.verdict
    assert monitor.verdict.findings[0].advice[0].startswith("Look for a leak first: an optimizer")


def test_the_advice_against_faults_is_for_what_trains_the_networks() -> None:
    of_fits = " ".join(line for _, _, lines in FAULTS.values() for line in lines)
    of_loops = " ".join(line for lines in IN_A_LOOP.values() for line in lines)
    assert FAULTS.keys() - IN_A_LOOP.keys() == {"accumulated_gradients"}  # of a train_step only
    assert IN_A_LOOP.keys() <= FAULTS.keys()
    assert "train_on_batch" not in of_fits
    assert "train_step" not in of_loops


@pytest.mark.slow("tensorflow", "jax")
@pytest.mark.parametrize("program", [p for p in PROGRAMS if p.faults], ids=lambda p: p.name)
def test_no_programs_advice_is_about_another_kind_of_training(program: Any) -> None:
    monitor = kc.CollapseMonitor(verbose=0)
    program.train(monitor)
    text = " ".join(x for f in monitor.verdict.findings for x in f.advice)
    assert ("train_step" if program.name.startswith("loop") else "train_on_batch") not in text
