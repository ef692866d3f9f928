"""Makes the pictures of README and docs: ``make pictures``, or ``python docs/pictures/make.py``.

It trains (six minutes on two cores), opens MLflow's UI and the report in Debian's Chromium, and
draws the panel as the terminal shows it. What was trained is kept in the folder given (by default
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
from PIL import Image
from rich.console import Console

from keras_collapse.outputs.followers.journal import JournalFollower
from keras_collapse.outputs.mlflow.runs import bare_name
from keras_collapse.outputs.report.run_report import write_run_report
from keras_collapse.outputs.run_state import RunState
from keras_collapse.outputs.terminal.run_panel import LivePanel
from keras_collapse.outputs.terminal.summary import show
from keras_collapse.sources import examine, read

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
"""Copied beside the runs: pictures show no folder of this machine."""
DEMOS = {
    "camel-correct": ("--epochs", "6"),
    "camel-leak": ("--epochs", "6", "--fault", "leak"),
    "ring-d_too_slow": ("--fault", "d_too_slow"),
}
TRIAGE = ("plan-b", "ring_gan.py:train", "--fault", "d_too_slow", "--batch-sizes",
          "32,64,128", "--steps", "600", "--no-stop-early", "--out", "triage")  # fmt: skip
SETTLE_MS = 120_000
"""Virtual time that MLflow's pages get to draw themselves."""
METRICS = (190, 3560, 1110, 5480)
"""Where on a run's page of metrics the readings are."""


def train(folder: Path) -> None:
    """Make the runs that are not there yet."""
    command = [sys.executable, "-m", "keras_collapse.cli"]
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


def shot(
    address: str, name: str, width: int, height: int, part: tuple[int, int, int, int] | None = None
) -> None:
    """What Chromium shows at that address, or a part of it: left, top, right, bottom."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or "google-chrome"
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--virtual-time-budget={SETTLE_MS}", f"--window-size={width},{height}",
         f"--screenshot={HERE / name}", address],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    if part is not None:
        with Image.open(HERE / name) as whole:
            cut = whole.crop(part)
        cut.save(HERE / name)


def of_mlflow(folder: Path) -> None:
    """The run table, a run's page, its images, and the triage's trials compared."""
    with server(folder) as address:
        client = mlflow.MlflowClient(address)
        runs = {bare_name(run.info.run_name): run for run in client.search_runs(["0"])}
        failing = runs["camel-leak-42"].info.run_id
        page = f"{address}/#/experiments/0/runs"
        shot(page, "mlflow-table.png", 1500, 700)
        shot(f"{page}/{failing}", "mlflow-run.png", 1500, 1000)
        # The page is long: losses and the series of sample grids are its end.
        shot(f"{page}/{failing}/model-metrics", "mlflow-metrics.png", 1500, 6000, METRICS)
        (parent,) = [run for run in runs.values() if "plan-b" in str(run.info.run_name)]
        children = client.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
        chosen = ",".join(f'"{run.info.run_id}"' for run in children)
        shot(f'{address}/#/compare-runs?runs=[{chosen}]&experiments=["0"]', "mlflow-compare.png",
             1500, 1100)  # fmt: skip


def of_terminal(folder: Path) -> None:
    """The last word and the panel."""
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
    shot(report.resolve().as_uri(), "report.png", 1000, 1900)
    of_mlflow(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
