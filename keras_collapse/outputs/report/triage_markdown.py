"""The report of a triage as Markdown: for a README, an issue, a notebook, MLflow's description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_collapse.core.process.printable import printable_lines
from keras_collapse.outputs.report.triage_words import (
    CONFOUNDED,
    GLOSSARY,
    NO_TRIAL,
    RESULT_WORDS,
    bits,
    confidence_words,
    evidence_numbers,
    fix_result,
    no_fix,
    words,
)


def markdown(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], command: str) -> str:
    """Return the report for a README, an issue, or MLflow's description."""
    cause = words(found["root_cause"], found.get("kind", ""))
    sentences = (found["statement"], confidence_words(found), f"Rule: {found['rule']}.")
    lines = [
        f"# {cause}",
        "",
        " ".join(filter(None, sentences)),
        "",
        *(f"{place}. {line}" for place, line in enumerate(found["solution"], 1)),
        "",
        "## Fix tested",
        "",
    ]
    if found["cure"]:
        lines += ["| fix | works | result | failure rate |", "|---|---|---|---|"]
        lines += [
            f"| {c['cure']} | {RESULT_WORDS[c['held']]} | {fix_result(c)} | {c['failed']} |"
            for c in found["cure"]
        ]
    else:
        lines.append(no_fix(found).capitalize())
    rates = found["evidence"].get("collapse_rates", {})
    if rates:
        lines += [
            "",
            "## Failure rate",
            "",
            "| batch size | failed seeds (exact 95 % interval) |",
            "|---|---|",
        ]
        lines += [f"| {size} | {rate} |" for size, rate in rates.items()]
    numbers = evidence_numbers(found)
    if numbers:
        lines += ["", "## Evidence", "", "| what | value |", "|---|---|"]
        lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in numbers.items()]
    lines += ["", "## Trials", "", f"Reproducible to the bit: {bits(found)}.", ""]
    lines += [*found["notes"], ""] if found["notes"] else []
    if not rows:
        lines.append(NO_TRIAL)
    else:
        lines += [
            "| trial | purpose | outcome | reason | steps | seconds |",
            "|---|---|---|---|---|---|",
        ]
    lines += [
        f"| {_cell(r['name'])} | {_cell(r['purpose'])} | {r['verdict']} | {_cell(r['why'])} "
        f"| {r['steps']} | {r['seconds']} |"
        for r in rows
    ]
    lines += _guide_lines(found["guide"])
    if rows:
        lines += ["", "The loss curves and samples of the trials are in report.html."]
    language = "python" if command.startswith("kc.") else "sh"
    lines += ["", "## Reproduce", "", f"```{language}", command, "```", ""]
    lines += ["## Words", "", *(f"- **{word}**: {text}" for word, text in GLOSSARY.items()), ""]
    return "\n".join(map(printable_lines, lines))


def _guide_lines(guide: Mapping[str, Any]) -> list[str]:
    """The guide's tables with this triage's results, as far as their trials were run."""
    lines: list[str] = []
    for key, name, what in (
        ("plan_a", "Plan A", "expected"),
        ("plan_b", "Plan B", "purpose"),
    ):
        if guide[key]:
            lines += ["", f"## The guide's {name}", ""]
            lines += [f"| run | seed | batch size | {what} | result |", "|---|---|---|---|---|"]
            lines += [
                f"| {place} | {row['seed']} | {row['batch_size']} | {row[what]} | {row['result']} |"
                for place, row in enumerate(guide[key], 1)
            ]
    if guide["plan_b"]:
        lines += ["", "## The guide's step 3", ""]
        lines += ["| evidence | root cause | solution | here |", "|---|---|---|---|"]
        lines += [
            f"| {row['evidence']} | {row['root_cause']} | {row['solution']} | {_matched(row)} |"
            for row in guide["step_3"]
        ]
        if guide["tie_breakers"]:
            lines += ["", f"{CONFOUNDED} {'; '.join(guide['tie_breakers'])}."]
    return lines


def _matched(row: Mapping[str, str]) -> str:
    return "**matches**" if row["match"] == "matches" else f"does not match: {row['match']}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
