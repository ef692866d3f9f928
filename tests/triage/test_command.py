"""``keras-collapse triage`` as a stranger types it: real trainings, a killed runner, MLflow."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from paths import ROOT
from ring_program import CODE
from waiting import wait_until

from keras_collapse import cli
from keras_collapse.core.process.folder_lock import locked
from keras_collapse.triage.options import Options

QUICK = {"KERAS_BACKEND": "torch"}  # most of a short trial would be compiling


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "keras_collapse.cli", "triage", *map(str, arguments)]


def triage(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, env=os.environ | QUICK
    )


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "my_gan.py"
    path.write_text(CODE)
    return path


def test_a_killed_runner_goes_on_where_it_was_and_mlflow_has_it_all(
    tmp_path: Path, code: Path, prepared_store: Path
) -> None:
    import mlflow

    shutil.copy(prepared_store, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    asked = ("plan-b", f"{code}:train", "--batch-sizes", "32,64", "--other-seeds", "7",
             "--steps", 32, "--no-continue", "--device", "cpu", "--tracking-uri", uri,
             "--out", "out")  # fmt: skip
    first = subprocess.Popen(
        command(*asked), env=os.environ | QUICK, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    trials = tmp_path / "out" / "trials"
    wait_until(lambda: list(trials.glob("*/result.json")), 600)
    first.send_signal(signal.SIGKILL)
    first.wait()
    time.sleep(2)  # a trial notices within a second that its runner has gone
    before = {path: path.stat().st_mtime_ns for path in trials.glob("*/result.json")}
    assert before
    assert len(before) < 3

    done = triage(*asked, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "from an earlier run" in done.stderr
    assert [t["says"] for t in found["trials"]] == ["undecided"] * 3  # 32 steps tell nothing
    assert found["root_cause"] == "inconclusive"
    assert found["check"]["reproducible"] is True
    assert found["check"]["audit"] == "no fault found"
    assert json.loads((tmp_path / "out" / "triage.json").read_text()) == found
    page = (tmp_path / "out" / "report.html").read_text()
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "my_gan.py:train" in (tmp_path / "out" / "report.md").read_text()

    client = mlflow.MlflowClient(uri)
    [experiment] = client.search_experiments()
    runs = client.search_runs([experiment.experiment_id])
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["collapse.cause"] == "inconclusive"
    assert "Failure rate" in parent.data.tags["mlflow.note.content"]
    children = [run for run in runs if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}

    def ended() -> set[str]:
        runs = client.search_runs([experiment.experiment_id])
        return {str(run.info.run_name) for run in runs if run.info.status == "FINISHED"}

    # What the end of a trial did not wait for comes later.
    wait_until(lambda: ended() >= {"seed 42, batch 32", "seed 7, batch 64"})
    runs = client.search_runs([experiment.experiment_id])
    children = [run for run in runs if run.info.run_id != parent.info.run_id]
    assert {run.info.status for run in children} <= {"FINISHED", "KILLED"}


def test_a_triage_that_cannot_run_has_failed_in_mlflow_until_it_can(
    code: Path, tmp_path: Path, prepared_store: Path
) -> None:
    import mlflow

    shutil.copy(prepared_store, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    asked = ("plan-a", f"{code}:train", "--batch-sizes", "32", "--steps", 32, "--no-continue",
             "--repeats", 1, "--device", "cpu", "--tracking-uri", uri, "--out", "out")  # fmt: skip
    whole = code.read_text()
    code.write_text(f"import nothing_here\n{whole}")
    done = triage(*asked)
    assert done.returncode == 2
    assert "No module named 'nothing_here'" in done.stderr
    client = mlflow.MlflowClient(uri)
    (run,) = client.search_runs(["0"])
    assert run.info.status == "FAILED"
    assert "No module named 'nothing_here'" in run.data.tags["collapse.ended"]

    code.write_text(whole)
    with locked(tmp_path / "out", "another triage"):
        done = triage(*asked)
        assert done.returncode == 2
        assert "another triage is running in 'out'" in done.stderr
        assert client.get_run(run.info.run_id).info.status == "FAILED"
    done = triage(*asked)
    assert done.returncode == 0, done.stderr
    found = client.get_run(run.info.run_id)
    assert found.info.status == "FINISHED"
    assert "collapse.ended" not in found.data.tags


def test_a_wiring_fault_is_named_without_any_trial(code: Path, tmp_path: Path) -> None:
    done = triage("plan-a", f"{code}:train", "--batch-sizes", "64", "--steps", 32,
                  "--no-mlflow", "--out", "out", "--", "--fault", "ring_leak")  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "ROOT CAUSE: WIRING: DISCRIMINATOR LEAK, confidence 1.00" in done.stdout
    assert not (tmp_path / "out" / "trials").exists()
    text = (tmp_path / "out" / "report.md").read_text()
    assert "## Evidence" in text
    assert "| trial | purpose |" not in text  # an empty table


def test_ctrl_c_prints_the_command_that_goes_on_and_closes_its_runs(
    tmp_path: Path, code: Path, prepared_store: Path
) -> None:
    import mlflow

    shutil.copy(prepared_store, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    asked = command("plan-a", f"{code}:train", "--batch-sizes", "32", "--steps", 2000,
                    "--device", "cpu", "--tracking-uri", uri, "--out", "out")  # fmt: skip
    with (tmp_path / "said.txt").open("wb") as said:
        # A shell's background jobs ignore Ctrl-C, and so would their children.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        running = subprocess.Popen(asked, env=os.environ | QUICK, start_new_session=True,
                                   stdout=said, stderr=subprocess.STDOUT)  # fmt: skip
        signal.signal(signal.SIGINT, before)
        wait_until(lambda: list((tmp_path / "out" / "trials").glob("*/progress.json")), 600)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=300) == 130
    text = (tmp_path / "said.txt").read_text()
    assert "To go on: keras-collapse triage plan-a" in text
    assert "Traceback" not in text
    client = mlflow.MlflowClient(uri)
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert runs
    assert {run.info.status for run in runs} == {"KILLED"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan-c", "my_gan.py:train"], "no such plan: 'plan-c'"),
        (["plan-a", "nothing.py:train"], "no such file: 'nothing.py'"),
        (["plan-a", "my_gan.py:trian"], "has no function 'trian'. It has: train"),
        (["plan-a", "my_gan.py:train", "--budget", "soon"], "--budget must be a time, or a number"),
        (["plan-a", "my_gan.py:train", "--preset", "huge"], "--preset must be one of full, small"),
        (
            ["plan-a", "my_gan.py:train", "--batch-sizes", "64,32"],
            "--batch-sizes must be in ascending order",
        ),
        (
            ["plan-a", "my_gan.py:train", "--batch-sizes", "many"],
            "must be comma-separated integers",
        ),
        (
            ["plan-a", "my_gan.py:train", "--seed", "-1"],
            "invalid at seed: Input should be greater",
        ),
        (
            ["plan-a", "my_gan.py:train", "--repeats", "0"],
            "invalid at trials: Tuple should have",
        ),
        (["plan-a", "my_gan.py:train", "--batch-size", "8"], "--batch-sizes"),
        (["plan-a", "my_gan.py:train", "--batch-size=8"], "--batch-sizes"),
        (["plan-a", "my_gan.py:train", "--width", "8"], "given as --param NAME=VALUE, or after --"),
        (["plan-a", "my_gan.py:train", "--", "--width"], "--width lacks a value"),
        (["plan-a", "my_gan.py:train", "--", "width"], "unexpected argument 'width'"),
        (["plan-a", "my_gan.py:train", "width"], "unexpected argument 'width'"),
        (["plan-a", "my_gan.py:train", "--param", "width"], "--param must be NAME=VALUE"),
        (["plan-a", "my_gan.py:train", "--max-parallel", "0"], "--max-parallel must be at least 1"),
        (["plan-a", "my_gan.py:train", "--timeout", "0"], "--timeout must be positive"),
        (["plan-a", "my_gan.py:train", "--executor", "cloud"], "one of local, ray"),
        (["plan-a", "my_gan.py:train", "--known-good", "no.toml"], "cannot read 'no.toml'"),
        (
            ["plan-a", "my_gan.py:train", "--tracking-uri", "http://127.0.0.1:9"],
            "MLflow does not answer",
        ),
    ],
)
@pytest.mark.usefixtures("code")
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    more = [] if "--tracking-uri" in arguments else ["--no-mlflow"]
    monkeypatch.setattr(sys, "argv", ["keras-collapse", "triage", *more, *arguments])
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capfd.readouterr()
    assert ended.value.code == 2
    assert said in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_no_gpu_when_one_was_demanded(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = triage("plan-a", f"{code}:train", "--device", "gpu", "--no-mlflow")
    assert done.returncode == 2
    assert "no GPU is available" in done.stderr


PAGES = ("docs/triage.md", "docs/reproducibility.md", "docs/clusters.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_documentation_is_accepted(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.split("#")[0] for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(keras-collapse \w+ [^`]+)`", text)
    lines = [line for line in lines if line.startswith("keras-collapse") and "--help" not in line]
    commands = [shlex.split(line) for line in lines]
    assert commands
    group = typer.main.get_command(cli.app)
    for _, name, *arguments in commands:
        command = group.commands[name]  # type: ignore[attr-defined]
        values = command.make_context(name, arguments).params
        if name == "triage":
            options = Options(**values)
            assert all(word.startswith("--") for word in (options.arguments or [])[::2])


def test_the_runner_knows_no_framework() -> None:
    said = "import sys; import keras_collapse.triage.runner, keras_collapse.cli; print([m for m in "
    said += "('keras', 'jax', 'torch', 'tensorflow', 'mlflow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
