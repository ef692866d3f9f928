"""Make the pictures of README and docs: ``make pictures``, or ``python docs/pictures/make.py``.

It trains (ten minutes on two cores), opens MLflow's UI and the report in Debian's Chromium, and
draws the panel as the terminal shows it. The trainings are kept in the given folder (by default
``build/pictures``), so that a second run only draws.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import mlflow
from browser import Shot, take
from rich.console import Console

from keras_collapse.outputs.followers.journal import JournalFollower
from keras_collapse.outputs.mlflow.runs import MODEL_TRAINING, bare_name, run_link
from keras_collapse.outputs.report.run_report import write_run_report
from keras_collapse.outputs.run_state import RunState
from keras_collapse.outputs.terminal.run_panel import LivePanel
from keras_collapse.outputs.terminal.summary import show
from keras_collapse.sources import examine, read

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
"""Copied next to the runs, so that pictures show no folder of this machine."""
DEMOS = {
    "camel-correct": ("--epochs", "6"),
    "camel-leak": ("--epochs", "6", "--fault", "leak"),
    "ring-d_too_slow": ("--fault", "d_too_slow"),
}
TRIAGE = ("plan-b", "ring_gan.py:train", "--batch-sizes", "32,64,128", "--steps", "1500",
          "--no-stop-early", "--out", "triage", "--", "--fault", "d_too_slow")  # fmt: skip
SHOW_MORE = """
for (const button of document.querySelectorAll("button, a")) {
  if (button.textContent === "Show more") button.click();
}
"""
"""Unfold a run's description."""


def train(folder: Path) -> None:
    """Train the runs that are missing."""
    command = [str(Path(sys.executable).with_name("keras-collapse"))]
    for path in EXAMPLES.glob("*.py"):
        shutil.copy(path, folder)
    for name, options in DEMOS.items():
        if not (folder / name).exists():
            subprocess.run([*command, "demo", "--out", name, *options], cwd=folder, check=False)
    if not (folder / "triage" / "triage.json").exists():
        subprocess.run([*command, "triage", *TRIAGE], cwd=folder, check=False)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """MLflow's UI on the runs' database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port),
               "--backend-store-uri", "sqlite:///mlflow.db"]  # fmt: skip
    process = subprocess.Popen(command, cwd=folder, start_new_session=True)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/health").close()
                break
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def of_mlflow(folder: Path) -> None:
    """The run table, a run's page, its charts, a triage's page and its trials compared."""
    with server(folder) as address:
        client = mlflow.MlflowClient(address)
        runs = {
            bare_name(run.info.run_name): run
            for experiment in client.search_experiments()
            for run in client.search_runs([experiment.experiment_id])
        }
        failing = runs["camel-leak-42"].info
        (parent,) = [run.info for name, run in runs.items() if "plan-b" in name]
        table = f"{address}/#/experiments/{failing.experiment_id}/runs?{MODEL_TRAINING}"
        take(Shot(table, HERE / "mlflow-table.png", 1500, 420))
        page = run_link(address, failing.experiment_id, failing.run_id)
        assert page is not None
        take(Shot(page, HERE / "mlflow-run.png", 1500, 1000, script=SHOW_MORE))
        metrics = page.replace("?", "/model-metrics?")
        take(Shot(metrics, HERE / "mlflow-metrics.png", 1500, 1450))
        triage = run_link(address, parent.experiment_id, parent.run_id)
        assert triage is not None
        take(Shot(triage, HERE / "mlflow-triage.png", 1500, 1000, script=SHOW_MORE))
        children = client.search_runs(
            [parent.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.run_id}'"
        )
        chosen = ",".join(f'"{run.info.run_id}"' for run in children)
        compare = f'runs=[{chosen}]&experiments=["{parent.experiment_id}"]&{MODEL_TRAINING}'
        compared = f"{address}/#/compare-runs?{compare}"
        take(Shot(compared, HERE / "mlflow-compare.png", 1500, 1100))


def of_terminal(folder: Path) -> None:
    """The verdict and the live panel."""
    console = Console(record=True, width=96, force_terminal=True, file=io.StringIO())
    run = folder / "camel-leak"
    show(examine(read(run)).verdict, run.name, console=console)
    title = "gan.fit(…, callbacks=[kc.CollapseMonitor()])"
    console.save_svg(str(HERE / "verdict.svg"), title=title)
    state = RunState()
    JournalFollower(folder / "ring-d_too_slow", state).read()
    state.verdict = None
    console = Console(record=True, width=96, height=34, force_terminal=True, file=io.StringIO(),
                      color_system="truecolor")  # fmt: skip
    console.print(LivePanel(state))
    console.save_svg(str(HERE / "live.svg"), title="keras-collapse watch")


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0] if arguments else "build/pictures").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    train(folder)
    of_terminal(folder)
    report = write_run_report("camel-leak")
    take(Shot(report.resolve().as_uri(), HERE / "report.png", 1000, 1900, seconds=3))
    of_mlflow(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
