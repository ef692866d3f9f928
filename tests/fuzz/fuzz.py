"""Feeds broken logs to all readers: ``make fuzz``, or ``fuzz.py FORMAT --cases N --seed N``.

Each case must end in a verdict, shown, reported and watched, or in an `InputError` of one short
line, within `LIMIT_SECONDS` of CPU time. What does not is a find: its traceback goes to
``FOLDER/FORMAT.finds.jsonl``, once for each place in the code. The next case's number is kept in
``FOLDER/FORMAT.next``, so that the same command continues after a stop.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from broken_inputs import FORMATS, made
from rich.console import Console

from keras_collapse import sources
from keras_collapse.core.errors import InputError
from keras_collapse.outputs.followers.journal import JournalFollower
from keras_collapse.outputs.report.run_report import html
from keras_collapse.outputs.run_state import RunState
from keras_collapse.outputs.terminal.run_panel import LivePanel
from keras_collapse.outputs.terminal.summary import show

LIMIT_SECONDS = 5.0
LONGEST_MESSAGE = 3000
SHOW_EVERY, REPORT_EVERY = 5, 50
"""Cases of which one is also shown and watched, or written as a report; those take longer."""
HARMLESS = {"\n", "\t"}


class TooSlow(BaseException):
    """A case took more than `LIMIT_SECONDS`."""


def check(path: Path, case: int) -> None:
    """Read, judge, show and report one file.

    Raises:
        InputError: the file cannot be used; that is a good end.
        AssertionError: an output is not as it must be.
    """
    run = sources.read(path)
    examined = sources.examine(run)
    verdict = examined.verdict
    json.dumps(verdict.to_dict(str(path)), allow_nan=False)
    if case % SHOW_EVERY == 0:
        for terminal in (False, True):
            file = io.StringIO()
            console = Console(file=file, force_terminal=terminal, width=80, color_system=None)
            show(verdict, str(path), run.notes, console)
            assert_clean(file.getvalue())
    if case % REPORT_EVERY == 0:
        assert_clean(html(str(path), run))


def watch(path: Path) -> None:
    """Follow one journal and draw its panel.

    Raises:
        InputError: a record cannot be used; that is a good end.
        AssertionError: the panel holds control characters.
    """
    state = RunState()
    JournalFollower(path, state).read()
    file = io.StringIO()
    Console(file=file, force_terminal=False, width=80).print(LivePanel(state))
    assert_clean(file.getvalue())


def assert_clean(text: str) -> None:
    """No control characters but line breaks, and what is written can be encoded."""
    text.encode()
    odd = {c for c in text if not c.isprintable() and c not in HARMLESS and not c.isspace()}
    assert not odd, f"control characters: {sorted(odd)}"


@contextlib.contextmanager
def limit(seconds: float) -> Iterator[None]:
    def end(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def find_of(path: Path, kind: str, case: int) -> tuple[str, str] | None:
    """Where a case fails, and its traceback; None if it ends well."""
    for one in (lambda: check(path, case), lambda: watch(path)):
        try:
            with limit(LIMIT_SECONDS):
                one()
        except InputError as error:
            if "\n" in str(error) or len(str(error)) > LONGEST_MESSAGE:
                return f"message of {len(str(error))} characters", str(error)[:2000]
        except (Exception, TooSlow) as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [f for f in frames if "keras_collapse" in f.filename] or frames
            place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
            return f"{type(error).__name__} at {place}", traceback.format_exc()[-3000:]
        if kind != "journal" or case % SHOW_EVERY:
            return None
    return None


def fuzz(kind: str, cases: int, seed: int, folder: Path, seconds: float) -> int:
    """Run what is left of a format's cases; return the number of places that fail."""
    folder.mkdir(parents=True, exist_ok=True)
    kept, finds = folder / f"{kind}.next", folder / f"{kind}.finds.jsonl"
    begin = int(kept.read_text()) if kept.exists() else 0
    known = {json.loads(line)["place"] for line in finds.open()} if finds.exists() else set()
    ends = time.monotonic() + seconds
    case = begin
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / FORMATS[kind][0]
        path.write_bytes(made(kind, 0, seed))
        with contextlib.suppress(Exception):  # its imports may take longer than the limit
            check(path, 0)
        for case in range(begin, cases):
            if time.monotonic() > ends:
                break
            path.write_bytes(made(kind, case, seed))
            found = find_of(path, kind, case)
            if found is not None and found[0] not in known:
                known.add(found[0])
                print(f"{kind} {case}: {found[0]}", flush=True)
                with finds.open("a") as file:
                    line = {"case": case, "place": found[0], "traceback": found[1]}
                    file.write(json.dumps(line) + "\n")
            if case % 100 == 99:
                kept.write_text(str(case + 1))
        else:
            case = max(cases, begin)
    kept.write_text(str(case))
    print(f"{kind}: {case:,} of {cases:,} cases, {len(known)} places fail", flush=True)
    return len(known)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=[], metavar="FORMAT")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--seconds", type=float, default=1e9, help="of each format, then stop")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    formats = given.formats or list(FORMATS)
    return int(
        sum(fuzz(f, given.cases, given.seed, given.folder, given.seconds) for f in formats) > 0
    )


if __name__ == "__main__":
    sys.exit(main())
