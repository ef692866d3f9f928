"""What a triage may spend, and which trials that allows."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from keras_collapse.core.errors import InputError
from keras_collapse.triage.effort.forecast import Forecast, duration
from keras_collapse.triage.plans import TrialConfig
from keras_collapse.triage.results import TrialResult

UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Budget:
    """What a triage may spend, its checks aside; None for no limit.

    Args:
        seconds: of wall time, from its start.
        trials: that it runs.
        steps: training steps of these together.
    """

    seconds: float | None = None
    trials: int | None = None
    steps: int | None = None

    def __str__(self) -> str:
        if self.seconds is not None:
            return duration(self.seconds)
        return f"{self.trials} trials" if self.trials is not None else f"{self.steps} steps"


def budget_of(text: str) -> Budget:
    """Return the budget that a person wrote.

    Raises:
        InputError: it is none.

    >>> budget_of("1.5h").seconds, budget_of("12 trials").trials, budget_of("20000 steps").steps
    (5400.0, 12, 20000)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|m|min|h|trials|steps)", text.strip())
    number = float(found[1]) if found else 0.0
    if found is None or number <= 0:
        raise InputError(
            "--budget must be a time, or a number of trials or steps, as in 2h, 30m, '12 trials', "
            f"'20000 steps'. Received: {text!r}."
        )
    if found[2] in UNITS:
        return Budget(seconds=number * UNITS[found[2]])
    return Budget(**{found[2]: int(number)})


class Spending:
    """Keeps a triage within its budget.

    Args:
        budget: what it may spend, from now on.
        forecast: predicts how long trials take; it learns from those that end.

    Attributes:
        left_out: the trials that it did not allow.
    """

    def __init__(self, budget: Budget, forecast: Forecast) -> None:
        self.budget, self.forecast = budget, forecast
        self.left_out: list[TrialConfig] = []
        self._began = time.monotonic()
        self._trials = self._steps = 0

    def ended(self, result: TrialResult) -> None:
        """Take a trial that was run."""
        self._trials += 1
        self._steps += result.steps
        self.forecast.ended(result)

    def allowed(self, trials: Sequence[TrialConfig], steps: int) -> list[TrialConfig]:
        """Return the trials of that many steps that are still allowed; note the others."""
        found: list[TrialConfig] = []
        for trial in trials:
            (found if self._allows([*found, trial], steps) else self.left_out).append(trial)
        return found

    def _allows(self, trials: Sequence[TrialConfig], steps: int) -> bool:
        budget, likely = self.budget, self.forecast.steps(steps)
        spent = time.monotonic() - self._began
        left = self.forecast.left([(trial, likely, 0) for trial in trials])
        return (
            (budget.seconds is None or spent + left <= budget.seconds)
            and (budget.trials is None or self._trials + len(trials) <= budget.trials)
            and (budget.steps is None or self._steps + likely * len(trials) <= budget.steps)
        )

    @property
    def note(self) -> str:
        """What was left out, in a sentence."""
        names = "; ".join(trial.name for trial in self.left_out)
        return f"The budget of {self.budget} left out {len(self.left_out)} trials: {names}."
