"""Real samples are gathered from batches that pass by, and the training never notices."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from programs import LATENT, networks, toggling
from tiny import GAN, ring, tiny_gan, weights

import keras_collapse as kc
from keras_collapse.core.journal import read_journal
from keras_collapse.core.records import SamplesChecked, SamplesUnavailable
from keras_collapse.training.loops.train_on_batch import LoopWatch
from keras_collapse.training.probe import prober
from keras_collapse.training.probe.real_data import MOST_BYTES, REAL, BatchReservoir

pytestmark = pytest.mark.backend()

DATA = ring(512)
FEW = DATA[:64]


@pytest.fixture(autouse=True)
def every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """These fits are shorter than the steps between two comparisons."""
    monkeypatch.setattr(prober, "APART", 1)


def probes(folder: Path) -> list[dict[str, Any]]:
    return [record for record in read_journal(folder) if isinstance(record, SamplesChecked)]


class Batches(keras.utils.PyDataset):
    """Batches that only Python can make: nothing may be drawn from it twice."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = 0

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> tuple[np.ndarray]:
        self.drawn += 1
        return (DATA[32 * index : 32 * index + 32],)


def generator(size: int = 32) -> Iterator[tuple[np.ndarray]]:
    while True:
        yield from ((batch[:size],) for batch in np.split(DATA, 16))


class OfTuples(GAN):
    """Whose batches are ``(x,)``, as those of pipelines are."""

    def _one_step(self, data: Any) -> Any:
        return super()._one_step(data[0])


# -- in fit ------------------------------------------------------------------------------------


@pytest.mark.first_step
@pytest.mark.usefixtures("as_users_compile")
def test_a_fit_on_a_pipeline_is_trained_to_the_same_bits_and_probed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(callbacks: list[Any]) -> tuple[int, list[np.ndarray]]:
        kc.seed_everything(3)
        gan, batches = tiny_gan(kind=OfTuples), Batches()
        gan.fit(batches, epochs=3, shuffle=False, verbose=0, callbacks=callbacks)
        return batches.drawn, weights(gan)

    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run")
    (_, bare), (_, watched) = train([]), train([monitor])
    assert all(np.array_equal(a, b) for a, b in zip(bare, watched, strict=True))
    found, said = probes(tmp_path / "run"), capsys.readouterr().out
    assert [record.values["real"] for record in found] == [512, 512, 512]
    assert "cannot compare" not in said
    assert kc.diagnose(tmp_path / "run") == monitor.verdict


def test_a_fit_on_a_generator_is_probed(tmp_path: Path) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    tiny_gan(kind=OfTuples).fit(
        generator(), steps_per_epoch=20, epochs=1, verbose=0, callbacks=[monitor]
    )
    [found] = probes(tmp_path / "run")
    assert found.values["modes_real"] == 8


@pytest.mark.backend("torch")
def test_a_fit_on_a_data_loader_is_probed(tmp_path: Path) -> None:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.from_numpy(DATA)), batch_size=64, shuffle=True)
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run", verbose=0)
    tiny_gan(kind=OfTuples).fit(loader, epochs=2, verbose=0, callbacks=[monitor])
    assert [found.values["real"] for found in probes(tmp_path / "run")] == [512, 512]


def test_too_few_samples_that_passed_by_are_said_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monitor = kc.CollapseMonitor(run_dir=tmp_path / "run")
    tiny_gan(kind=OfTuples).fit(
        generator(4), steps_per_epoch=3, epochs=1, verbose=0, callbacks=[monitor]
    )
    assert capsys.readouterr().out.count("too few real samples to compare with. Received: 12") == 1
    assert [
        r.reason[:3] for r in read_journal(tmp_path / "run") if isinstance(r, SamplesUnavailable)
    ] == ["too"]


# -- in loops ----------------------------------------------------------------------------------


def train(parts: tuple[Any, Any, Any], steps: int) -> None:
    """The loop of every tutorial: real rows picked at random."""
    g, d, gan = parts
    flags, rng = toggling(d), np.random.default_rng(0)
    ones, zeros = np.ones((64, 1), "float32"), np.zeros((64, 1), "float32")
    for _ in range(steps):
        latents = rng.standard_normal((64, LATENT), np.float32)
        flags["before_d"]()
        d.train_on_batch(FEW[rng.integers(0, len(FEW), 64)], ones)
        d.train_on_batch(g.predict(latents, verbose=0), zeros)
        flags["before_g"]()
        gan.train_on_batch(latents, ones)


@pytest.mark.usefixtures("as_users_compile")
def test_a_watched_loop_is_probed_and_trained_to_the_same_bits(tmp_path: Path) -> None:
    def trained(monitor: kc.CollapseMonitor | None) -> list[np.ndarray]:
        kc.seed_everything(2)
        g, d, gan = parts = networks()
        if monitor is None:
            train(parts, 8)
        else:
            with monitor.watching(generator=g, discriminator=d, combined=gan):
                train(parts, 8)
        return [np.array(keras.ops.convert_to_numpy(v.value)) for m in parts for v in m.variables]

    monitor = kc.CollapseMonitor(every=2, run_dir=tmp_path / "run", verbose=0)
    bare, watched = trained(None), trained(monitor)
    assert all(np.array_equal(a, b) for a, b in zip(bare, watched, strict=True))
    found = probes(tmp_path / "run")
    assert found
    assert 50 < found[-1].values["real"] <= len(FEW)


def test_of_a_loop_only_real_batches_are_shown() -> None:
    parts, shown = networks(), []

    class Observes:
        def guard(self, action: Any, *arguments: Any) -> None:
            action(*arguments)

        def report(self, finding: Any) -> None: ...

        def see_setting(self, setting: Any) -> None: ...

        def see_step(self, *step: Any) -> None: ...

        def see_batch(self, batch: Any) -> None:
            shown.append(batch)

    watch = LoopWatch(*parts, Observes())
    watch.start()
    train(parts, 4)
    watch.stop()
    rows = {row.tobytes() for row in DATA}
    assert len(shown) == 4
    assert all({row.tobytes() for row in samples} <= rows for samples, _ in shown)


# -- what is kept ------------------------------------------------------------------------------


def test_no_sample_is_kept_twice_and_labels_stay_beside_theirs() -> None:
    passing, labels = BatchReservoir((2,)), np.arange(512)
    rng = np.random.default_rng(0)
    while not passing.done:
        rows = rng.integers(0, 512, 16)
        passing.take((DATA[rows], {"label": labels[rows]}))
    samples, beside = passing.arrays
    assert len({row.tobytes() for row in samples}) == len(samples)
    assert np.array_equal(samples, DATA[beside])


def test_memory_is_bounded() -> None:
    passing = BatchReservoir((2,))
    for seed in range(40):
        passing.take(ring(100, seed))
    assert passing.done
    assert len(passing.arrays[0]) == REAL
    large = BatchReservoir((512, 512, 4))
    assert large.most * 512 * 512 * 4 * 4 <= MOST_BYTES


def test_what_is_kept_is_a_copy() -> None:
    passing, buffer = BatchReservoir((2,)), DATA[:64].copy()
    passing.take(buffer)
    buffer[:] = 0
    assert np.array_equal(passing.arrays[0], DATA[:64])


@pytest.mark.parametrize("batch", [None, 3, "x", np.zeros((8, 5)), [np.zeros(8)], {}])
def test_a_batch_without_samples_ends_it(batch: Any) -> None:
    passing = BatchReservoir((2,))
    passing.take(batch)
    assert passing.done
    assert passing.arrays == []


def test_a_fault_ends_it_and_nothing_else() -> None:
    class Odd:
        shape = (8, 2)

    passing = BatchReservoir((2,))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        passing.take(Odd())
        passing.take(DATA)
    assert len(caught) == 1
    assert passing.done


def test_real_rows_of_a_batch_of_both_kinds_are_found_by_their_labels(tmp_path: Path) -> None:
    """As in F. Chollet's loop: fakes have label 1 with noise, and G wants 0."""
    g, d, gan = networks()
    flags, rng = toggling(d), np.random.default_rng(0)
    monitor = kc.CollapseMonitor(every=4, run_dir=tmp_path / "run", verbose=0)
    with monitor.watching(generator=g, discriminator=d, combined=gan):
        for step in range(8):
            real = DATA[64 * step : 64 * step + 64]
            latents = rng.standard_normal((64, LATENT), np.float32)
            both = np.concatenate([g.predict(latents, verbose=0), real])
            labels = np.concatenate([np.ones((64, 1)), np.zeros((64, 1))])
            flags["before_d"]()
            d.train_on_batch(both, np.abs(labels - 0.05 * rng.random(labels.shape)))
            flags["before_g"]()
            gan.train_on_batch(latents, np.zeros((64, 1)))
    [*_, last] = probes(tmp_path / "run")
    assert last.values["modes_real"] == 8
    assert last.values["real"] >= 256
