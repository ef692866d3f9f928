"""A whole triage, watched from another terminal by what its folder says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from keras_collapse.core.errors import InputError
from keras_collapse.outputs.terminal.trials_table import TrialsTable
from keras_collapse.triage import results
from keras_collapse.triage.plans import Trial

ANSWER = "triage.json"


class WatchedTriage:
    """The trials of a triage's folder as a table.

    Args:
        folder: the triage's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._table = TrialsTable(Console(quiet=True))
        self._ended: set[str] = set()
        self._failed = False

    @property
    def renderable(self) -> Any:
        return _Table(self._table)

    def read(self) -> None:
        """Look at each trial's folder.

        Raises:
            InputError: a trial's configuration is not as this version writes it.
        """
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
            self._table.end(key, result.says, result.steps, result.seconds, "")
        self._table.progress({key: said for key, said in running.items() if said})

    def _add(self, key: str, path: Path) -> None:
        try:
            asked = json.loads(path.read_text(encoding="utf-8"))
            self._table.add(key, Trial(**asked["trial"]).name, asked["steps"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"cannot read {str(path)!r} ({error}).") from None

    @property
    def over(self) -> bool:
        answer = self.folder / ANSWER
        last = max(map(_written, self.folder.glob(f"trials/*/{results.RESULT}")), default=0.0)
        return answer.exists() and _written(answer) >= last

    @property
    def line(self) -> str:
        rows = self._table.rows.values()
        running = sum(row.state in ("running", "starting") for row in rows)
        said = f"{len(self._ended)} of {len(rows)} trials have ended, {running} running"
        if self.over:
            answer = json.loads((self.folder / ANSWER).read_text(encoding="utf-8"))
            said = f"root cause: {answer['root_cause'].replace('_', ' ')}, {said}"
        return said

    @property
    def problem(self) -> bool:
        return self._failed


class _Table:
    """The table as it is when it is drawn."""

    def __init__(self, table: TrialsTable) -> None:
        self._table = table

    def __rich__(self) -> Any:
        return self._table.table()


def _written(path: Path) -> float:
    return path.stat().st_mtime
