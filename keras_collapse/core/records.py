"""The records of a journal: one type for each kind of line, written and read here only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from keras_collapse.core.advice import Driver, Setting
from keras_collapse.core.errors import OtherSchema
from keras_collapse.core.findings import Finding, Verdict, whole_of
from keras_collapse.core.plain_json import (
    floats_of,
    json_value,
    mapping_of,
    object_of,
    typed,
)
from keras_collapse.core.samples.probe import Probe

SCHEMA = 1
TOO_MUCH = (OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Record:
    """Base class of the records; ``kind`` is what a line calls it."""

    kind: ClassVar[str] = ""

    def to_line(self) -> str:
        """The record as one line of JSON, without the line break."""
        plain = {one.name: json_value(getattr(self, one.name)) for one in fields(self)}
        return json.dumps({"record": self.kind, **plain}, separators=(",", ":"))

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The record of a line; fields of a newer version are passed over.

        Raises:
            KeyError, TypeError, ValueError, AttributeError, OverflowError: a field is missing or of
                another type.
        """
        known = {one.name: str(one.type) for one in fields(cls)}
        return cls(**{n: typed(value, known[n]) for n, value in plain.items() if n in known})


@dataclass(frozen=True, slots=True)
class RunStarted(Record):
    """First, and once: what is needed to read the rest, to find the process, to run it again.

    Args:
        schema: of the journal.
        time: Unix seconds.
        process: which process writes it: see `core.process.identity.this_process`.
        command, cwd: what started that process, and in which folder.
    """

    kind: ClassVar[str] = "run"
    schema: int
    time: float
    process: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    cwd: str = ""


@dataclass(frozen=True, slots=True)
class FitStarted(Record):
    """A fit or loop begins with training step ``step``; ``facts`` are its parameters by name."""

    kind: ClassVar[str] = "fit"
    step: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReaderSettings(Record):
    """The arguments of the `Reader` that turned the run's logs into readings.

    Args:
        signals: canonical signal to log key, where the user named them.
        averaging, origin, means: see `Reader`.
    """

    kind: ClassVar[str] = "reader"
    signals: Mapping[str, str] | None
    averaging: str | None
    origin: int | None
    means: Sequence[str] | None

    def arguments(self) -> dict[str, Any]:
        """The settings as keyword arguments of `Reader`."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True, slots=True)
class StepLogs(Record):
    """The log of one training step.

    Args:
        step: the training step, 0-based, growing.
        epoch: its epoch, counted over all fits.
        logs: log key to number, as reported.
        rounding: log key to the number's largest error; None for float32's own.
        data: name to hash of the data the step was given.
    """

    kind: ClassVar[str] = "logs"
    step: int
    epoch: int
    logs: Mapping[str, float]
    rounding: Mapping[str, float] | None = None
    data: Mapping[str, str] | None = None

    def to_line(self) -> str:
        """As `Record.to_line`, several times faster: one is written at every training step."""
        more = f',"rounding":{object_of(self.rounding)}' if self.rounding is not None else ""
        more += f',"data":{json.dumps(self.data, separators=(",", ":"))}' if self.data else ""
        return (
            f'{{"record":"logs","step":{self.step},"epoch":{self.epoch},'
            f'"logs":{object_of(self.logs)}{more}}}'
        )

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        errors = plain.get("rounding")
        rounding = None if errors is None else floats_of(errors)
        logs = floats_of(plain["logs"])
        data = plain.get("data")
        return cls(
            whole_of(plain["step"]),
            whole_of(plain["epoch"]),
            logs,
            rounding,
            None if data is None else mapping_of(data),
        )


@dataclass(frozen=True, slots=True)
class EpochEnded(Record):
    """The logs of an epoch, validation among them, and the learning rates after it."""

    kind: ClassVar[str] = "epoch"
    step: int
    epoch: int
    logs: Mapping[str, float]
    rates: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fingerprint(Record):
    """Hashes of G's and D's variables after training step ``step``: (path, hash) in their order."""

    kind: ClassVar[str] = "fingerprint"
    step: int
    weights: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class SamplesChecked(Record):
    """The numbers of one sample check."""

    kind: ClassVar[str] = "probe"
    step: int
    values: Mapping[str, float]

    @property
    def probe(self) -> Probe:
        """The same as a `Probe`."""
        return Probe(self.step, self.values)


@dataclass(frozen=True, slots=True)
class PictureSaved(Record):
    """G's samples of training step ``step`` were saved under ``name`` in the run's folder."""

    kind: ClassVar[str] = "picture"
    name: str
    step: int


@dataclass(frozen=True, slots=True)
class GeneratorKept(Record):
    """G's weights were saved under ``name`` in the run's folder; see `KeptGenerator`."""

    kind: ClassVar[str] = "kept"
    which: str
    step: int
    quality: float
    name: str


@dataclass(frozen=True, slots=True)
class SamplesUnavailable(Record):
    """Why G's samples are not compared with the data; empty once they are."""

    kind: ClassVar[str] = "unavailable"
    reason: str


@dataclass(frozen=True, slots=True)
class ObjectiveSeen(Record):
    """The objective of the losses, as their first step showed it; see `CrossEntropy.know`."""

    kind: ClassVar[str] = "objective"
    objective: str
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class SettingSeen(Record):
    """How the run is trained, and what of its wiring was checked; later ones replace it."""

    kind: ClassVar[str] = "setting"
    driver: Driver
    checked: Sequence[str] = ()

    @property
    def setting(self) -> Setting:
        """The same as a `Setting`."""
        return Setting(self.driver, frozenset(self.checked))


@dataclass(frozen=True, slots=True)
class FindingChanged(Record):
    """A detector's finding when it was new, more severe, or resolved."""

    kind: ClassVar[str] = "finding"
    finding: Finding


@dataclass(frozen=True, slots=True)
class FindingReported(FindingChanged):
    """A finding that rests on no reading: of the wiring, the seeding, the form of the numbers."""

    kind: ClassVar[str] = "report"


@dataclass(frozen=True, slots=True)
class RunEnded(Record):
    """The verdict at the end of a fit or loop; a journal without it was cut off or goes on.

    Args:
        verdict: at that point.
        ended_by: what ended the run early, such as ``"SIGTERM"``; empty for its regular end.
    """

    kind: ClassVar[str] = "end"
    verdict: Verdict
    ended_by: str = ""


_ALL = (RunStarted, FitStarted, ReaderSettings, StepLogs, EpochEnded, Fingerprint, SamplesChecked,
        PictureSaved, GeneratorKept, SamplesUnavailable, ObjectiveSeen, SettingSeen, FindingChanged,
        FindingReported, RunEnded)  # fmt: skip
KINDS: Mapping[str, type[Record]] = {cls.kind: cls for cls in _ALL}


def parse(line: str | bytes) -> Record:
    """The record of a journal's line.

    Raises:
        OtherSchema: the line begins a journal of another schema.
        ValueError: the line is no record of this schema; the message says why.

    >>> parse('{"record":"unavailable","reason":"no generator was found"}')
    SamplesUnavailable(reason='no generator was found')
    """
    try:
        plain = json.loads(line)
        if plain["record"] == RunStarted.kind and plain["schema"] != SCHEMA:
            raise OtherSchema(f"the journal has schema {plain['schema']!r}, not {SCHEMA}")
        return KINDS[plain["record"]].from_plain(plain)
    except OtherSchema:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, *TOO_MUCH) as error:
        raise ValueError(f"{type(error).__name__}: {str(error)[:200]}") from None
