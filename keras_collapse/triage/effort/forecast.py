"""How long trials take, and which of them say most."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from statistics import median

from keras_collapse.triage.plans import Plan, TrialConfig
from keras_collapse.triage.results import TrialResult
from keras_collapse.triage.trial.outcome import SETTLED


class Forecast:
    """Predicts how long trials take, from the checks and from the trials that have ended.

    Args:
        checks: their results, which know the time of a step at one batch size or two.
        parallel: trials that run at once.
        goes_on: whether trials go on until they are decided.
    """

    def __init__(self, checks: Sequence[TrialResult], parallel: int, goes_on: bool) -> None:
        self.parallel, self._goes_on = parallel, goes_on
        timed = [result for result in checks if result.facts.get("step_seconds")]
        self._step = {r.trial.batch_size: float(r.facts["step_seconds"]) for r in timed}
        starts = [r.seconds - r.steps * self._step_of(r.trial) for r in timed]
        self._start = max(median(starts), 0.0) if starts else 0.0
        self._ratios: list[float] = []  # of how long trials took to what the checks predicted
        self._correction = 1.0
        self._taken: list[int] = []  # steps of the trials that ended

    def ended(self, result: TrialResult) -> None:
        """Take a trial that has ended: the next are predicted from it as well."""
        predicted = self._start + result.steps * self._step_of(result.trial)
        if result.ended == "done" and result.steps and predicted > 0:
            self._ratios.append(result.seconds / predicted)
            self._correction = median(self._ratios)
            self._taken.append(result.steps)

    def steps(self, steps: int) -> int:
        """Return how many steps a trial of that many is likely to take: as those that ended."""
        likely = round(median(self._taken)) if self._taken else SETTLED
        return max(steps, likely) if self._goes_on else steps

    def seconds(self, trial: TrialConfig, steps: int, done: int = 0) -> float:
        """Return how long a trial takes from its step ``done`` on.

        Args:
            trial: its configuration.
            steps: of the trial.
            done: steps that it has done; before the first one it also has to start.
        """
        start = 0.0 if done else self._start
        return self._correction * (start + max(steps - done, 0) * self._step_of(trial))

    def left(self, trials: Sequence[tuple[TrialConfig, int, int]]) -> float:
        """Return the seconds until these have ended, each with its steps and those done."""
        busy = [0.0] * self.parallel
        for trial in trials:
            heapq.heapreplace(busy, busy[0] + self.seconds(*trial))
        return max(busy)

    def _step_of(self, trial: TrialConfig) -> float:
        """A step's duration at the trial's batch size: a line through those that are known."""
        sizes = sorted(self._step)
        if not sizes:
            return 0.0
        low, high = sizes[0], sizes[-1]
        if low == high:
            return self._step[low] * max(trial.batch_size / low, 1.0)
        slope = (self._step[high] - self._step[low]) / (high - low)
        return max(self._step[low] + slope * (trial.batch_size - low), 0.0)


def most_informative(plan: Plan) -> list[TrialConfig]:
    """Return a plan's trials, those first that say most when not all can be run.

    The target batch size comes first, then the smallest, seed by seed; then the rest in order.
    """

    def rank(place: int, trial: TrialConfig) -> tuple[int, int]:
        if trial.repeat or trial.changes or trial.batch_size not in (plan.target, plan.smallest):
            return 2, place
        seeds = list(dict.fromkeys(one.seed for one in plan.trials))
        return 0, 2 * seeds.index(trial.seed) + (trial.batch_size != plan.target)

    ranked = sorted(enumerate(plan.trials), key=lambda one: rank(*one))
    return [trial for _, trial in ranked]


def announcement(trials: int, seconds: float, parallel: int, full: bool, budget: str) -> str:
    """Return how long a plan takes, in a line.

    >>> announcement(7, 830.0, 2, False, "")
    'About 7 trials, 14 min with 2 at a time.'
    """
    more = ", and more if some fail" if full else ""
    limit = f" Budget: {budget}." if budget else ""
    return f"About {trials} trials{more}, {duration(seconds)} with {parallel} at a time.{limit}"


def duration(seconds: float) -> str:
    """Return a duration in words.

    >>> [duration(s) for s in (8, 200, 5400)]
    ['8 s', '3 min', '1 h 30 min']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
