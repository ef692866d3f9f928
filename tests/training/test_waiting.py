"""Watching never makes a fit wait for the numbers of a step, where Keras allows that."""

from __future__ import annotations

import threading
import time
import warnings
from typing import Any

import keras
import pytest
from tiny import once, ring, tiny_gan
from waiting import wait_until

import keras_collapse as kc
from keras_collapse.outputs.subscriber import Subscriber
from keras_collapse.training import metadata
from keras_collapse.training.loops.backlog import MOST_UNREAD, Backlog

pytestmark = pytest.mark.backend("jax", "torch")

D, G = "discriminator_loss", "generator_loss"
STEPS = 24  # of an epoch; fewer than may be unread


class Number:
    """A device's number: whoever converts it waits until the device has it."""

    def __init__(self, value: float, device: Device) -> None:
        self._value, self._device = value, device
        self.ready = threading.Event()

    def __float__(self) -> float:
        on_the_way = threading.current_thread() is threading.main_thread()
        if on_the_way and not self.ready.is_set():
            self._device.waits += 1
            self.ready.set()  # else the fit would hang
        assert self.ready.wait(120)
        return self._value


class Device:
    """Stands between a model and its step: logs are numbers that come later.

    Args:
        gan: the model.
        failing: the step from which losses are not finite.
        behind: the steps after which a step has its numbers; fewer only where no step comes. By
            default it has none before the epoch's last step was given to it.

    Attributes:
        given: steps that it was given.
        waits: times that the training waited for one of its numbers.
    """

    def __init__(self, gan: Any, failing: int = -1, behind: int = 0) -> None:
        self.given = self.waits = self._ready = 0
        self._logs: list[dict[str, Number]] = []
        self._failing, self._behind = failing, behind
        make = gan.make_train_function

        def make_train_function(force: bool = False) -> Any:
            make(force)
            own = gan.train_function
            gan.train_function = lambda *given: self._step(own(*given))

        gan.make_train_function = make_train_function
        if behind:
            threading.Thread(target=self._work_off, daemon=True).start()

    def _step(self, returned: Any) -> Any:
        step, self.given = self.given, self.given + 1
        loss = float("nan") if 0 <= self._failing <= step else 0.5 + step / 1000
        own = {D: Number(loss, self), G: Number(0.7 + step / 1000, self)}
        self._logs.append(own)
        if self._behind:
            self._until(self.given - self._behind)
        elif self.given % STEPS == 0:
            self._until(self.given)
        return (own, returned[1]) if isinstance(returned, tuple) else own

    def _until(self, step: int) -> None:
        """Have the numbers of all steps before this one."""
        while self._ready < step:
            for number in self._logs[self._ready].values():
                number.ready.set()
            self._ready += 1

    def _work_off(self) -> None:
        """Have the oldest numbers as well once no further step comes."""
        seen = 0
        while True:
            time.sleep(0.05)
            if seen == self.given:
                self._until(min(self._ready + 1, self.given))
            seen = self.given


class Ear(Subscriber):
    def __init__(self) -> None:
        super().__init__()
        self.logs: list[tuple[int, dict[str, float]]] = []
        self.failed: int | None = None  # the step whose reading showed a failure

    def on_finding(self, finding: Any) -> None:
        if finding.severity == "failed" and self.failed is None:
            self.failed = self.logs[-1][0]

    def on_logs(self, step: int, logs: Any) -> None:
        self.logs.append((step, dict(logs)))


def fit(device_of: Any, callbacks: list[Any], epochs: int = 1, steps: int = STEPS) -> Device:
    gan = tiny_gan()
    device = device_of(gan)
    gan.fit(ring(steps * 8), batch_size=8, epochs=epochs, verbose=0, callbacks=callbacks)
    return device


def test_no_step_waits_for_its_numbers_and_all_are_read_in_order() -> None:
    ear = Ear()
    callbacks = [kc.SeedControl(1, verbose=0), ear, kc.LiveMonitor(), kc.CollapseMonitor(verbose=0)]
    device = fit(Device, callbacks, epochs=2)
    assert device.given == 2 * STEPS
    assert device.waits == 0
    assert [step for step, _ in ear.logs] == list(range(2 * STEPS))
    assert [logs["discriminator_loss"] for _, logs in ear.logs] == [
        0.5 + s / 1000 for s in range(2 * STEPS)
    ]


@once
@pytest.mark.parametrize("kind", ["NVIDIA H200", "cpu"])
def test_a_callback_that_makes_keras_wait_is_named_once(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "_device", lambda: kind)

    class Prompt(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            pass

    monitor = kc.CollapseMonitor(verbose=0)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        gan = tiny_gan()
        device = Device(gan)
        for _ in range(2):
            gan.fit(ring(STEPS * 8), batch_size=8, verbose=0, callbacks=[Prompt(), monitor])
    assert device.waits > 0
    said = [str(one.message) for one in seen if "waits for the device" in str(one.message)]
    assert len(said) == (kind != "cpu")  # on a CPU nothing is gained
    assert all("since Prompt reads logs at once" in words for words in said)


@once
def test_a_stop_acts_within_a_number_of_steps() -> None:
    ear, monitor = Ear(), kc.CollapseMonitor(verbose=0, on_failure="stop")
    steps = 120
    device = fit(lambda gan: Device(gan, 2, behind=80), [ear, monitor], steps=steps)
    assert monitor.verdict.status == "failed"
    assert ear.failed is not None
    assert ear.failed < device.given <= ear.failed + 1 + MOST_UNREAD < steps


@once
def test_a_fit_is_held_back_while_too_much_is_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog, begun = Backlog(), []

    def train() -> None:
        for batch in range(MOST_UNREAD + 2):
            backlog.wait(batch)
            begun.append(batch)

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    wait_until(lambda: len(begun) >= MOST_UNREAD)
    time.sleep(0.2)
    assert len(begun) == MOST_UNREAD
    for _ in range(2):
        with backlog.reading():
            pass
    thread.join(60)
    assert len(begun) == MOST_UNREAD + 2
    # What never comes, as from a thread that has failed, does not hold it back for ever.
    monkeypatch.setattr("keras_collapse.training.loops.backlog.PATIENCE_SECONDS", 0.05)
    for batch in range(1, 5):
        backlog.wait(batch)
    backlog.wait(0)  # an epoch begins, and all that was given before is read
    assert backlog._begun == 1
