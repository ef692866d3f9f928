"""What sending to MLflow may cost: a share of the training's own time."""

from __future__ import annotations

import time
from collections.abc import Callable

from keras_collapse.core.readings.reading import Reading, merge

METRICS_SHARE, IMAGES_SHARE = 0.015, 0.005
"""Shares of the training's time that sending metrics and sending pictures may take: 2 % together.
"""
METRIC_SECONDS, IMAGE_SECONDS = 1e-4, 0.03
"""CPU time of one, before it was measured: with a SQLite store 0.07 ms, and 25 ms for a picture."""
TRIED = 1000
"""Metrics after which their measured cost counts as much as the one expected."""
LEAST_SECONDS = 30.0
"""Training time that is granted at once, so that short trainings are sent in full."""


def training_time() -> tuple[float, float]:
    """Return seconds of wall time, and of CPU time of all threads of this process."""
    return time.monotonic(), time.process_time()


class Budget:
    """Decides whether more of a kind may be sent: metrics, or pictures.

    One thread puts, another sends.

    Args:
        share: of the training's wall and CPU time, whichever is less.
        cost: expected seconds of CPU time for one.
        tried: how many must be sent until the measured cost counts as much.
        clock: see `training_time`.

    >>> now = [0.0]
    >>> budget = Budget(0.1, cost=1.0, tried=1, clock=lambda: (now[0], now[0]))
    >>> budget.allows(3), budget.allows(4)  # of the first 30 seconds
    (True, False)
    >>> budget.put(3)
    >>> now[0] = 50.0
    >>> budget.allows(2), budget.allows(3)
    (True, False)
    """

    def __init__(
        self,
        share: float,
        cost: float,
        tried: int,
        clock: Callable[[], tuple[float, float]] = training_time,
    ) -> None:
        self._share, self._expected, self._tried, self._clock = share, cost, tried, clock
        self._began = clock()
        self._put = self._sent = 0
        self._spent = 0.0

    @property
    def cost(self) -> float:
        """Seconds of CPU time that sending one takes, as far as that was measured."""
        return (self._spent + self._tried * self._expected) / (self._sent + self._tried)

    def allows(self, count: int) -> bool:
        """Return whether so many more can be put now."""
        wall, cpu = self._clock()
        trained = min(wall - self._began[0], cpu - self._began[1] - self._spent)
        waiting = max(self._put - self._sent, 0) + count
        return self._spent + waiting * self.cost <= self._share * max(trained, LEAST_SECONDS)

    def put(self, count: int) -> None:
        """Note that so many more wait to be sent."""
        self._put += count

    def sent(self, count: int, seconds: float) -> None:
        """Note that so many were sent, and the CPU time that this took."""
        self._sent += count
        self._spent += seconds


def budgets() -> dict[str, Budget]:
    """Return the budgets of a run that begins, by kind of item."""
    return {
        "metrics": Budget(METRICS_SHARE, METRIC_SECONDS, TRIED),
        "image": Budget(IMAGES_SHARE, IMAGE_SECONDS, 1),
    }


class ReadingPoints:
    """Turns readings into the points that fit the budget: each reading, or means of several.

    Args:
        budget: of metrics.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._waiting: list[Reading] = []

    def add(self, reading: Reading) -> Reading | None:
        """Take a reading; return the point to send, at the last of its steps, if it fits now."""
        self._waiting.append(reading)
        return self.rest() if self._budget.allows(len(reading.values)) else None

    def rest(self) -> Reading | None:
        """Return the mean of the readings that wait, if any do."""
        waiting, self._waiting = self._waiting, []
        return merge(waiting) if waiting else None
