"""How every output writes a status, a severity, a number and a duration."""

from __future__ import annotations

import math

from keras_collapse.core.findings import Finding, KeptGenerator, Severity, Status, Verdict

GREEN, YELLOW, RED, CYAN = "#2da44e", "#bf8700", "#e5534b", "#1f8fb3"
"""Colours that are readable on white and on black. The named ones are not: in a dark notebook,
"red" is a dark red. A terminal of 16 colours shows the nearest of its own."""
# A symbol with each colour, for those who do not see colours.
STATUS_STYLE = {
    Status.HEALTHY: ("✔", GREEN),
    Status.WARNING: ("▲", YELLOW),
    Status.FAILED: ("✘", RED),
    Status.UNKNOWN: ("?", CYAN),
}
SEVERITY_STYLE = {
    Severity.INFO: ("i", CYAN),
    Severity.WARNING: ("▲", YELLOW),
    Severity.FAILED: ("✘", RED),
}


def span_of(finding: Finding) -> str:
    """The steps of a finding, in words."""
    healed = ", recovered" if finding.resolved else ""
    if finding.first_step == finding.last_step:
        return f"step {finding.first_step}{healed}"
    return f"steps {finding.first_step}–{finding.last_step}{healed}"


def evidence_of(finding: Finding) -> list[tuple[str, str]]:
    """The evidence as pairs of name and value, each uncertainty after its number."""
    rows = []
    for name, value in finding.evidence.items():
        if name.endswith("_uncertainty"):
            continue
        error = finding.evidence.get(f"{name}_uncertainty")
        words = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        words = words or "nothing"
        rows.append((name, f"{words} ± {error}" if error else words))
    return rows


def kept_in_words(verdict: Verdict) -> list[tuple[str, str]]:
    """The saved weights of G as pairs: the check in words, and the line of code that loads them.

    The best are named first; the last healthy ones follow if they are of another check.
    """
    by_step: dict[int, list[KeptGenerator]] = {}
    for one in verdict.kept:
        by_step.setdefault(one.step, []).append(one)
    named = {"healthy": "last healthy"}
    return [
        (
            f"{' and '.join(named.get(o.which, o.which) for o in same).capitalize()} generator "
            f"(step {step}, quality {same[0].quality:.2f})",
            same[0].restore,
        )
        for step, same in by_step.items()
    ]


def clock(seconds: float) -> str:
    """A duration as h:mm:ss or m:ss; "?" if it is no number.

    >>> clock(75), clock(3700), clock(float("inf"))
    ('1:15', '1:01:40', '?')
    """
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def number(value: float) -> str:
    """A number with three decimals, and no minus before zero.

    >>> number(0.7231), number(-1e-7)
    ('0.723', '0.000')
    """
    return f"{value:.3f}".replace("-0.000", "0.000")


SEVERITY = {Status.HEALTHY: 0, Status.UNKNOWN: 1, Status.WARNING: 2, Status.FAILED: 3}
"""The verdict as a number that a run table can be sorted by."""
SYMBOL = {Status.HEALTHY: "✔", Status.UNKNOWN: "?", Status.WARNING: "▲", Status.FAILED: "✘"}


PLAIN = str.maketrans({"✔": "+", "▲": "!", "✘": "X", "…": "~", "–": "-", "·": "-", "±": "~"})


def in_ascii(words: str) -> str:
    """The words in ASCII, for a terminal or file that knows nothing else.

    >>> in_ascii("✘ steps 3–9")
    'X steps 3-9'
    """
    return words.translate(PLAIN).encode("ascii", "replace").decode()


def is_ascii(encoding: str | None) -> bool:
    """Whether only ASCII can be shown in this encoding."""
    return not (encoding or "").lower().startswith("utf")
