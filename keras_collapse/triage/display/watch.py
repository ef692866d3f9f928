"""A running triage, shown in another terminal from the files of its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from keras_collapse.core.errors import InputError
from keras_collapse.core.process.heartbeat import was_killed
from keras_collapse.outputs.style import YELLOW
from keras_collapse.outputs.terminal.trials_table import TrialsTable
from keras_collapse.triage import results
from keras_collapse.triage.plans import TrialConfig

TRIAGE = "triage.json"


class WatchedTriage:
    """The trials in a triage's folder, as a table.

    Args:
        folder: the triage's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._table = TrialsTable(Console(quiet=True))
        self._ended: set[str] = set()
        self._failed = False
        self._lost = False

    @property
    def renderable(self) -> Any:
        if not self._lost or self._has_report:
            return self._table
        return Group(
            self._table, Text("▲ Its runner was killed. The same command goes on.", YELLOW)
        )

    def read(self) -> None:
        """Read each trial's folder.

        Raises:
            InputError: a trial's configuration is broken or from another version.
        """
        self._lost = was_killed(self.folder)
        running = {}
        for path in sorted(self.folder.glob(f"trials/*/{results.CONFIGURATION}"), key=_written):
            key, folder = path.parent.name, path.parent
            if key in self._ended:
                continue
            self._add(key, path)
            result = results.read_result(folder)
            if result is None:
                running[key] = results.read_progress(folder)
                continue
            self._ended.add(key)
            self._failed |= bool(result.failed)
            self._table.end(key, result.outcome, result.steps, result.seconds, result.samples)
        self._table.progress({key: one for key, one in running.items() if one})

    def _add(self, key: str, path: Path) -> None:
        try:
            configuration = json.loads(path.read_text(encoding="utf-8"))
            name = TrialConfig(**configuration["trial"]).name
            self._table.add(key, name, configuration["steps"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"cannot read {str(path)!r} ({error}).") from None

    @property
    def over(self) -> bool:
        return self._has_report or self._lost

    @property
    def _has_report(self) -> bool:
        report = self.folder / TRIAGE
        last = max(map(_written, self.folder.glob(f"trials/*/{results.RESULT}")), default=0.0)
        return report.exists() and _written(report) >= last

    @property
    def line(self) -> str:
        rows = self._table.rows.values()
        running = sum(row.state in ("running", "starting") for row in rows)
        line = f"{len(self._ended)} of {len(rows)} trials finished, {running} running"
        if self._has_report:
            report = json.loads((self.folder / TRIAGE).read_text(encoding="utf-8"))
            line = f"root cause: {report['root_cause'].replace('_', ' ')}, {line}"
        elif self._lost:
            line = f"its runner was killed; the same command goes on, {line}"
        return line

    @property
    def problem(self) -> bool:
        return self._failed


def _written(path: Path) -> float:
    return path.stat().st_mtime
