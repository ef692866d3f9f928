"""What the reports of a triage share: how they put causes, fixes and evidence into words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_collapse.outputs.style import clock

NO_FIX = {
    "none": "none needed.",
    "wiring": "none; a wiring fault is fixed in the code.",
    "inconclusive": "none; there is no root cause to fix.",
    "nondeterminism": "none; find and seed the unseeded randomness first.",
}
RESULT_WORDS = {True: "yes", False: "no", None: "undecided"}
NO_TRIAL = "None was run: the fault was seen in the check before the first one."
CONFOUNDED = (
    "Plan B as the guide prints it tries the smallest batch size with one seed, and step 3 asks "
    "whether it always works. Trials that would tell:"
)
"""Why the guide's Plan B alone does not decide."""
GLOSSARY = {
    "D, G": "the discriminator and the generator.",
    "trial": "one training with its own seed, batch size and settings.",
    "failed, healthy": "the verdict of the monitor; where it was open at the trial's end, that of "
    "its last four sample checks.",
    "undecided": "neither could be said. Such trials count for no side.",
    "sample check": "a comparison of G's samples with the data.",
    "two halves of the data": "the yardstick of a sample check: how far real samples are from real "
    "samples.",
    "seed": "the number that all random generators start from.",
    "exact 95 % interval": "failure rates that these trials do not exclude (Clopper and Pearson, "
    "1934).",
}


def words(cause: str, kind: str = "") -> str:
    """Return a root cause, and a wiring fault's kind, in words.

    >>> words("wiring", "frozen_discriminator"), words("none")
    ('Root cause: wiring: frozen discriminator', 'No failure found')
    """
    if cause == "none":
        return "No failure found"
    found = f"Root cause: {cause.replace('_', ' ')}"
    return f"{found}: {kind.replace('_', ' ')}" if kind else found


def fix_result(cure: Mapping[str, Any]) -> str:
    """Return how a fix did on new seeds, in words."""
    passed = f"passed on {cure['passed']}"
    return passed if cure["held"] is not None else f"undecided, {passed}"


def trial_cost(found: Mapping[str, Any]) -> str:
    """Return what one more trial would take, after a comma; empty if unknown.

    >>> trial_cost({"seconds_per_trial": 200.0})
    ', about 3:20 each'
    """
    seconds = found.get("seconds_per_trial")
    return f", about {clock(seconds)} each" if seconds else ""


def no_fix(found: Mapping[str, Any]) -> str:
    """Return why no fix was tested."""
    if found["plan"] != "full" and found["root_cause"] not in NO_FIX:
        return "none; keras-collapse triage full tests fixes."
    return NO_FIX.get(found["root_cause"], "none.")


def bits(found: Mapping[str, Any]) -> str:
    """Return whether repeats were bit-identical, in words: the plan's, else those of the checks."""
    answers = {True: "yes", False: "no", None: "unknown"}
    identical = found["reproducible"]["to_the_bit"]
    if identical is not None:
        return answers[identical]
    check = found["check"]
    known = check.get("reproducible")
    return answers[known] + (f" (checks of {check['steps']} steps)" if known is not None else "")


def confidence_words(found: Mapping[str, Any]) -> str:
    """Return the confidence and its test in a sentence; empty if there is none."""
    if found["confidence"] is None:
        return ""
    test = found["evidence"].get("test")
    return f"Confidence {found['confidence']:.2f}{f' ({test})' if test else ''}."


def evidence_numbers(found: Mapping[str, Any]) -> dict[str, str]:
    """Return what a wiring fault was seen by, name to value in words; empty for other causes."""
    if found["root_cause"] != "wiring":
        return {}
    seen = {k: v for k, v in found["evidence"].items() if k not in ("test", "trials")}
    return {name.replace("_", " "): _plain(value) for name, value in seen.items()}


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)
