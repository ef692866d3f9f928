"""Logs become readings, in one form whatever the log's."""

from __future__ import annotations

import numpy as np
import pytest
from logs import averaged, batches

from keras_collapse.core.errors import InputError
from keras_collapse.core.readings.log_reader import Reader
from keras_collapse.core.readings.reading import Reading


def read_all(
    reader: Reader, logs: list[dict[str, float]], epoch: int | None = None
) -> list[Reading]:
    readings = [r for step, log in enumerate(logs) for r in reader.read(step, log, epoch)]
    return readings + reader.close()


def test_names_are_made_canonical() -> None:
    reader = Reader(averaging="batch")
    readings = read_all(reader, [{"disc_loss": 0.7, "gen_loss": 0.8, "lr": 0.1}])
    assert readings[0].values == {"d_loss": 0.7, "g_loss": 0.8}


def test_a_d_loss_that_is_the_sum_of_its_halves_is_made_their_mean() -> None:
    logs = [{"d_loss": 1.4, "d_loss_real": 0.6, "d_loss_fake": 0.8} for _ in range(5)]
    reader = Reader(averaging="batch")
    assert read_all(reader, logs)[0].values["d_loss"] == pytest.approx(0.7)
    assert reader.summed


def test_a_d_loss_that_is_their_mean_stays() -> None:
    logs = [{"d_loss": 0.7, "d_loss_real": 0.6, "d_loss_fake": 0.8} for _ in range(5)]
    assert read_all(Reader(averaging="batch"), logs)[0].values["d_loss"] == 0.7


def test_a_sum_that_is_a_tensor_beside_metrics_of_its_halves_is_halved_too() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.uniform(0.5, 0.8, (2, 40))
    count = np.arange(1, 41)
    means = {"d_loss_real": np.cumsum(real) / count, "d_loss_fake": np.cumsum(fake) / count}
    reader = Reader(averaging="epoch", means=list(means))
    logs = [
        {"d_loss": float(real[i] + fake[i]), **{name: float(m[i]) for name, m in means.items()}}
        for i in range(40)
    ]
    readings = read_all(reader, logs, epoch=0)
    assert reader.summed
    assert [r.values["d_loss"] for r in readings] == pytest.approx((real + fake) / 2)


def test_losses_near_zero_do_not_yet_show_whether_d_loss_is_a_sum() -> None:
    reader = Reader(averaging="batch")
    first = read_all(reader, [{"d_loss": 1e-4, "d_loss_real": 1e-3, "d_loss_fake": -1e-3}])
    assert first[0].values["d_loss"] == 1e-4
    assert reader.summed is None
    later = reader.read(1, {"d_loss": 1.2, "d_loss_real": 0.5, "d_loss_fake": 0.7})
    assert later[0].values["d_loss"] == pytest.approx(0.6)


def shared_log(real: np.ndarray, fake: np.ndarray) -> list[dict[str, float]]:
    """One running mean, updated by the real and then the fake batch, printed after each."""
    both = np.stack([real, fake], axis=1).ravel()
    means = np.cumsum(both) / np.arange(1, len(both) + 1)
    return [
        {"d_acc_real": round(float(r), 3), "d_acc_fake": round(float(f), 3)}
        | {"d_acc": round(float(r + f) / 2, 3)}
        for r, f in zip(means[::2], means[1::2], strict=True)
    ]


def test_real_and_fake_columns_that_are_one_running_mean_are_not_believed() -> None:
    rng = np.random.default_rng(0)
    real, fake = np.clip(rng.normal([[0.9], [0.2]], 0.05, (2, 300)), 0, 1)
    reader = Reader()
    errors = dict.fromkeys(("d_acc_real", "d_acc_fake", "d_acc"), 0.0005)
    readings = [
        r for s, log in enumerate(shared_log(real, fake)) for r in reader.read(s, log, None, errors)
    ]
    assert reader.averaging == "run"
    assert reader.shared_halves == ["d_acc_real", "d_acc_fake"]
    assert readings[-1].values.keys() == {"d_acc"}
    assert readings[-1].values["d_acc"] == pytest.approx(0.55, abs=0.02)
    finding = reader.findings()[0]
    assert finding.kind == "cumulative_metrics"
    assert finding.evidence["shared_by_real_and_fake"] == reader.shared_halves


def test_two_running_means_of_their_own_are_kept_apart() -> None:
    rng = np.random.default_rng(0)
    real, fake = np.clip(rng.normal([[0.9], [0.2]], 0.05, (2, 300)), 0, 1)
    count = np.arange(1, 301)
    logs = [
        {"d_acc_real": float(r), "d_acc_fake": float(f)}
        for r, f in zip(np.cumsum(real) / count, np.cumsum(fake) / count, strict=True)
    ]
    reader = Reader()
    readings = read_all(reader, logs)
    assert reader.averaging == "run"
    assert reader.shared_halves == []
    assert readings[-1].values["d_acc_real"] == pytest.approx(real[-1], abs=1e-6)


def test_tensors_beside_metrics_are_read_as_what_they_are() -> None:
    numbers = batches(0, 90)
    epochs = averaged(numbers, "epoch", None, 30)
    reader = Reader(averaging="epoch", means=sorted(numbers.keys() - {"g_loss"}))
    readings = []
    for row in epochs:
        log = {**row.values, "g_loss": numbers["g_loss"][row.step]}
        readings += reader.read(row.step, log, row.epoch)
    readings += reader.close()
    assert reader.averaging == "epoch"
    for signal in ("d_loss", "g_loss"):
        assert np.allclose([r.values[signal] for r in readings], numbers[signal], atol=1e-6)


def test_an_unknown_log_says_what_was_there() -> None:
    with pytest.raises(InputError, match="loss, mae"):
        Reader().read(0, {"loss": 1.0, "mae": 2.0})


def test_a_signal_that_is_missing_from_some_logs_is_read_where_it_is() -> None:
    reader = Reader(averaging="batch")
    logs = [{"d_loss": 0.7}, {"d_loss": 0.6, "g_loss": 1.0}, {"d_loss": 0.5}]
    readings = [r.values for step, log in enumerate(logs) for r in reader.read(step, log)]
    assert readings == [{"d_loss": 0.7}, {"d_loss": 0.6, "g_loss": 1.0}, {"d_loss": 0.5}]


def test_rounding_and_own_numbers_may_be_missing_from_a_log_too() -> None:
    reader = Reader(averaging="epoch", means=["d_loss"])
    found = reader.read(0, {"d_loss": 0.7, "g_loss": 1.0}, 0, {"d_loss": 1e-6})
    found += reader.read(1, {"d_loss": 0.65}, 0, {})
    found += reader.read(2, {"d_loss": 0.6, "g_loss": 3.0}, 0)
    assert [r.values.get("g_loss") for r in found] == [1.0, None, 3.0]
    assert [r.values["d_loss"] for r in found] == pytest.approx([0.7, 0.6, 0.5])


def test_a_name_given_for_a_signal_may_come_late() -> None:
    reader = Reader({"g_loss": "mine"}, averaging="batch")
    reader.read(0, {"d_loss": 0.7})
    assert reader.absent == ["mine"]
    [reading] = reader.read(1, {"d_loss": 0.6, "mine": 2.0})
    assert reading.values == {"d_loss": 0.6, "g_loss": 2.0}
    assert reader.absent == []
