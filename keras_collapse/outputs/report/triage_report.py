"""The report of a triage: on the terminal, as Markdown, and as HTML in one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from keras_collapse import sources
from keras_collapse.core.atomic_files import write
from keras_collapse.core.errors import InputError
from keras_collapse.outputs.report.curves import thinned

GRIDS = 16
"""Sample grids that are shown, at most."""
NO_CURE = {
    "none": "There was nothing to cure.",
    "wiring": "A fault of the wiring is cured in the code, so nothing was run.",
    "inconclusive": "Without a cause there is no cure to try.",
    "nondeterminism": "What is not seeded has to be found first, so nothing was run.",
}


def words(cause: str, kind: str = "") -> str:
    """A root cause as a person reads it."""
    found = cause.replace("_", " ")
    return f"{found}: {kind.replace('_', ' ')}" if kind else found


def show_diagnosis(found: Mapping[str, Any], folder: Path) -> None:
    """Print the cause, the cure and where the rest is: plain lines, at most a screen."""
    sure = found["confidence"]
    told = f", confidence {sure:.2f}" if sure is not None else ""
    print(f"\nROOT CAUSE: {words(found['root_cause'], found.get('kind', '')).upper()}{told}")
    print(f"  {found['statement']}")
    for size, rate in found["evidence"].get("collapse_rates", {}).items():
        print(f"  batch {size:>5}: seeds that failed {rate}")
    print(f"  reproducible to the bit: {bits(found)}")
    for number, line in enumerate(found["solution"], 1):
        print(f"  {number}. {line}")
    for cure in found["cure"]:
        held = {True: "HELD", False: "did not hold", None: "cannot be told"}[cure["held"]]
        print(f"CURE: {cure['cure']}: {held} on new seeds, failed {cure['failed']}")
    if not found["cure"]:
        print(f"CURE: {no_cure(found)}")
    saved = found["steps_saved_by_early_stops"]
    if saved:
        print(f"Stopping failed trials early saved {saved} steps.")
    for trial in found["deciding"][:6]:
        print(f"Would decide: {trial}")
    print(f"Report:       {folder / 'report.html'}  (and report.md, triage.json)")


def no_cure(found: Mapping[str, Any]) -> str:
    """Why none was run."""
    if found["plan"] != "full" and found["root_cause"] not in NO_CURE:
        return "Not tried: keras-collapse triage full tries it."
    return NO_CURE.get(found["root_cause"], "None was tried.")


def bits(found: Mapping[str, Any]) -> str:
    """Plan A's answer in a word."""
    told = found["reproducible"]["to_the_bit"]
    if told is None:
        told = found["check"].get("reproducible")
    return {True: "yes", False: "no", None: "cannot be told"}[told]


def write_report(folder: Path, found: Mapping[str, Any], command: str) -> None:
    """Write ``report.md``, ``report.html`` and ``curves.png``.

    Args:
        folder: the triage's.
        found: what ``triage.json`` holds.
        command: that does it again.

    Raises:
        InputError: they cannot be written.
    """
    rows = [_row(trial) for trial in found["trials"]]
    curves = _curves(rows)
    if curves:
        write(folder / "curves.png", curves)
    write(folder / "report.md", markdown(found, rows, command, bool(curves)))
    write(folder / "report.html", html(found, rows, command, curves))


def _row(trial: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "purpose": trial["trial"]["purpose"],
        "batch_size": trial["trial"]["batch_size"],
        "seconds": f"{trial['seconds']:.0f}",
        **{name: trial[name] for name in ("name", "says", "why", "steps", "folder")},
    }


def markdown(
    found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], command: str, curves: bool
) -> str:
    """The report for a README, an issue, or MLflow's description."""
    cause = words(found["root_cause"], found.get("kind", ""))
    sure = found["confidence"]
    told = f" Confidence {sure:.2f} ({found['evidence'].get('test')})." if sure is not None else ""
    lines = [
        f"# Triage of {found['experiment']}: {cause}",
        "",
        f"{found['statement']}{told} Rule: {found['rule']}.",
        "",
        *(f"{number}. {line}" for number, line in enumerate(found["solution"], 1)),
        "",
        "## The cure, tried",
        "",
    ]
    if found["cure"]:
        lines += ["| cure | on new seeds, failed | held |", "|---|---|---|"]
        said = {True: "yes", False: "no", None: "cannot be told"}
        lines += [f"| {c['cure']} | {c['failed']} | {said[c['held']]} |" for c in found["cure"]]
    else:
        lines.append(no_cure(found))
    rates = found["evidence"].get("collapse_rates", {})
    if rates:
        lines += [
            "",
            "## How often it failed",
            "",
            "| batch size | seeds that failed |",
            "|---|---|",
        ]
        lines += [f"| {size} | {rate} |" for size, rate in rates.items()]
    lines += ["", "## Trials", "", f"Reproducible to the bit: {bits(found)}.", ""]
    lines += [*found["notes"], ""] if found["notes"] else []
    lines += ["| trial | for | verdict | why | steps | seconds |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {_cell(r['name'])} | {_cell(r['purpose'])} | {r['says']} | {_cell(r['why'])} "
        f"| {r['steps']} | {r['seconds']} |"
        for r in rows
    ]
    lines += ["", "![Losses of all trials](curves.png)"] if curves else []
    lines += ["", "## Again", "", "```sh", command, "```", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def html(
    found: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    command: str,
    curves: bytes | None,
) -> str:
    """The report in one file, all text escaped."""
    loader = PackageLoader("keras_collapse.outputs.report")
    template = Environment(loader=loader, autoescape=True).get_template("triage.html")
    return template.render(
        found=found,
        cause=words(found["root_cause"], found.get("kind", "")),
        solution=found["solution"],
        no_cure=no_cure(found),
        rates=found["evidence"].get("collapse_rates", {}),
        bits=bits(found),
        rows=rows,
        command=command,
        curves=base64.b64encode(curves).decode() if curves else None,
        grids=list(_grids(rows)),
    )


def _grids(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    found = 0
    for row in rows:
        picture = Path(row["folder"]) / "run" / "samples.png"
        if found < GRIDS and picture.exists():
            found += 1
            yield row["name"], row["says"], base64.b64encode(picture.read_bytes()).decode()


def _curves(rows: Sequence[Mapping[str, Any]]) -> bytes | None:
    """D's and G's loss of every trial in one picture, PNG; None where there is no number."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.8), sharex=True)
    sizes = sorted({row["batch_size"] for row in rows})
    drawn = False
    for row in rows:
        colour = f"C{sizes.index(row['batch_size'])}"
        style = "-" if row["says"] == "failed" else ":"
        try:
            readings = sources.examine(sources.read(Path(row["folder"]) / "run")).readings
        except InputError:
            continue
        for axis, signal in zip(axes, ("d_loss", "g_loss"), strict=True):
            known = [(r.step, r.values[signal]) for r in readings if signal in r.values]
            if known:
                curve = thinned(*zip(*known, strict=True))
                axis.plot(curve.at, curve.mean, style, color=colour, linewidth=1.2)
                drawn = True
    for axis, name in zip(axes, ("D's loss", "G's loss"), strict=True):
        axis.set(title=name, xlabel="training step")
        axis.grid(alpha=0.3)
    for place, size in enumerate(sizes):
        axes[0].plot([], [], color=f"C{place}", label=f"batch {size}")
    axes[0].plot([], [], "k-", label="failed")
    axes[0].plot([], [], "k:", label="other")
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    pyplot.close(figure)
    return picture.getvalue() if drawn else None
