"""A verdict as Markdown and tags, as tracking servers show it."""

from __future__ import annotations

import re

from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.outputs.style import evidence_of, kept_in_words

EMOJI = re.compile(r"(```.*?```|`[^`\n]*`)|:([\w+-]+):", re.DOTALL)
"""Code, in which MLflow leaves colons alone, or an emoji's name."""


def description(verdict: Verdict) -> str:
    """Return a verdict as Markdown: in words, with its evidence and advice."""
    cause = f" {verdict.cause.message}" if verdict.cause is not None else ""
    # MLflow folds all but the first lines away.
    lines = [f"**{verdict.status.upper()}: {verdict.reason}.**{cause}"]
    kept = [f"- {words}: `{code}`" for words, code in kept_in_words(verdict)]
    lines += ["", *kept] if kept else []
    for finding in verdict.findings:
        healed = ", recovered" if finding.resolved else ""
        lines += [
            "",
            f"### {finding.kind} ({finding.severity}{healed}), "
            f"steps {finding.first_step} to {finding.last_step}",
            "",
            finding.message,
            "",
            "| evidence | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in evidence_of(finding)),
            "",
            *(f"{number}. {advice}" for number, advice in enumerate(finding.advice, 1)),
        ]
    return without_emoji("\n".join(lines))


def without_emoji(markdown: str) -> str:
    """Return Markdown in which no ``:name:`` becomes an emoji: ``gan.py:train:`` would be a tram.

    >>> without_emoji("Triage of gan.py:train: dropout, `a:b:c`")
    'Triage of gan.py:train&#58; dropout, `a:b:c`'
    """
    return EMOJI.sub(lambda found: found[1] or f":{found[2]}&#58;", markdown)


def best_tags(verdict: Verdict) -> dict[str, str]:
    """Return the tags that name the best sample check; empty without ``keep_best``."""
    return {
        name: value
        for one in verdict.kept
        if one.which == "best"
        for name, value in (
            ("collapse.best_step", str(one.step)),
            ("collapse.best_quality", f"{one.quality:.3g}"),
        )
    }


def cause_tags(finding: Finding | None) -> dict[str, str]:
    """Return the tags that name the cause of a verdict and its first step."""
    if finding is None:
        return {"collapse.cause": "none", "collapse.first_step": ""}
    return {"collapse.cause": finding.kind, "collapse.first_step": str(finding.first_step)}
