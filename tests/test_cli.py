"""The command line: its answers, its exit status, and one line for every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FRAMEWORKS = ("keras", "tensorflow", "jax", "torch", "mlflow")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "keras_collapse.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    path = tmp_path / "run.csv"
    rows = "".join(f"{step},0.73,1.000,0.000\n" for step in range(400))
    path.write_text("step,d_loss,d_acc_real,d_acc_fake\n" + rows)
    return path


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    path = tmp_path / "run.csv"
    rows = "".join(f"{s},0.{60 + s % 7},0.7{s % 9},0.6{s % 5}\n" for s in range(400))
    path.write_text("step,d_loss,d_acc_real,d_acc_fake\n" + rows)
    return path


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a command that could not do its work."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_json_is_as_the_contract_says(pinned: Path) -> None:
    done = run("diagnose", pinned, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["schema"] == 1
    assert report["source"] == str(pinned)
    assert (report["steps"], report["averaging"], report["verdict"]) == (400, "batch", "failed")
    (finding,) = report["findings"]
    assert finding.keys() == {
        "kind", "severity", "first_step", "last_step", "evidence", "message", "advice",
    }  # fmt: skip
    assert (finding["kind"], finding["severity"]) == ("discriminator_pinned", "failed")


def test_into_a_pipe_it_is_plain_text(pinned: Path) -> None:
    done = run("diagnose", pinned)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert done.stdout.startswith("keras-collapse: FAILED: discriminator_pinned since step 0")


def test_healthy_is_status_0(healthy: Path) -> None:
    done = run("diagnose", healthy)
    assert done.returncode == 0, done.stdout
    assert "HEALTHY" in done.stdout


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("mine\n" + "0.7\n" * 3)
    assert run("diagnose", path, "--signal", "d_loss=mine").returncode == 0
    assert "NAME=VALUE" in complaint(run("diagnose", path, "--signal", "d_loss"))


def test_diagnose_imports_no_framework(pinned: Path) -> None:
    program = (
        "import sys\n"
        "import keras_collapse as kc\n"
        f"assert kc.diagnose({str(pinned)!r}).status == 'failed'\n"
        "from keras_collapse import cli\n"
        f"sys.argv = ['keras-collapse', 'diagnose', {str(pinned)!r}]\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        f"print([m for m in {FRAMEWORKS} if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["diagnose", "nothing.csv"], "no such file"),
        (["diagnose"], "give exactly one of SOURCE and --mlflow RUN_ID"),
        (["diagnose", ""], "the source is empty"),
        (["report", " "], "the source is empty"),
        (["diagnose", "mlflow:"], "no run ID"),
        (["diagnos"], "No such command"),
        (["diagnose", "a", "--no"], "No such option"),
        (["demo", "--epochs", "0"], "--epochs must be at least 1"),
        (["demo", "--epochs", "many"], "many"),
        (["demo", "--ui", "99999"], "port 99999"),
    ],
)
def test_a_mistake_costs_one_line_and_status_2(arguments: list[str], said: str) -> None:
    assert said in complaint(run(*arguments))


def test_help_is_given_for_every_command() -> None:
    for command in ([], ["diagnose"], ["demo"]):
        done = run(*command, "--help")
        assert done.returncode == 0
        assert "Usage" in done.stdout
    assert "Exit status" in run("--help").stdout
    assert run().stdout == run("--help").stdout


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_reader_that_leaves_does_not_change_the_status(pinned: Path, more: list[str]) -> None:
    command = [sys.executable, "-m", "keras_collapse.cli", "diagnose", str(pinned), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize("arguments", [["diagnose"], ["diagnose", "--json"], ["--help"]])
def test_a_full_disk_is_one_line_and_status_2(pinned: Path, arguments: list[str]) -> None:
    source = [pinned] if "diagnose" in arguments else []
    command = [sys.executable, "-m", "keras_collapse.cli", *arguments, *map(str, source)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


def test_a_closed_output_does_not_change_the_status(pinned: Path) -> None:
    command = f"{sys.executable} -m keras_collapse.cli diagnose {pinned} >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_internal_error_is_no_problem_found(pinned: Path) -> None:
    """A bug of ours, here a broken installation, has status 2 and shows where it is."""
    program = (
        "import sys\n"
        "from keras_collapse import cli, sources\n"
        "del sources.examine\n"
        f"sys.argv = ['keras-collapse', 'diagnose', {str(pinned)!r}]\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "internal error: AttributeError" in complaint(done)
    assert "(cli.py, line " in done.stderr
