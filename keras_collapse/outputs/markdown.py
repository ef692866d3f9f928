"""The verdict as a tracking server shows it: Markdown and tags."""

from __future__ import annotations

from keras_collapse.core.findings import Finding, Verdict


def description(verdict: Verdict) -> str:
    """The verdict as Markdown: in words, with its evidence, and what to do next."""
    cause = f" {verdict.cause.message}" if verdict.cause is not None else ""
    # MLflow folds all but the first lines away: these must say it.
    lines = [f"**{verdict.status.upper()}: {verdict.reason}.**{cause}"]
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
            *(f"| {name} | {value} |" for name, value in finding.evidence.items()),
            "",
            *(f"{number}. {advice}" for number, advice in enumerate(finding.advice, 1)),
        ]
    return "\n".join(lines)


def cause_tags(finding: Finding | None) -> dict[str, str]:
    if finding is None:
        return {"collapse.cause": "none", "collapse.first_step": ""}
    return {"collapse.cause": finding.kind, "collapse.first_step": str(finding.first_step)}
