"""Secrets reach neither the journal, nor MLflow, nor a message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_collapse.core.atomic_files import write_json
from keras_collapse.core.guard import guarded
from keras_collapse.core.process.redaction import redact, redacted
from keras_collapse.core.process.termination import Ending

SECRET = "hunter2hunter2hunter2hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://me:{SECRET}@db:5432/mlflow",
        f"(sqlite) http://{SECRET}@host/api",
        f"https://host/?api_key={SECRET}&x=1",
        f"{{'password': '{SECRET}'}}",
        f'{{"client_secret": "{SECRET}"}}',
        f"MLFLOW_TRACKING_TOKEN={SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"token hf_{SECRET} was refused",
        f"ghp_{SECRET}",
        f"sk-{SECRET}",
    ],
)
def test_a_secret_is_left_out_of_a_text(text: str) -> None:
    assert SECRET not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////tmp/mlflow.db",
        "http://localhost:5000/#/experiments/0/runs/a1b2",
        "max_tokens=512 tokenizer=bpe key=value author: me@example.org",
        "ValueError: expected 3 tokens: got 4",
        "d_loss=0.69, g_loss: 0.7",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text


def test_a_long_text_takes_no_time() -> None:
    for text in ("a" * 200_000, "://" * 50_000, "a=" * 50_000, "token " * 40_000, "eyJ" * 60_000):
        redact(text)  # quadratic: minutes


def test_facts_lose_secrets_and_keep_the_rest() -> None:
    facts = {"gan.api_key": SECRET, "epochs": 3, "seeding": {"seed": 1}, "hf_token": ""}
    assert redacted(facts) == {**facts, "gan.api_key": "***"}


def test_a_command_line_is_recorded_without_its_secrets(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "from keras_collapse.core.process.identity import this_command\nprint(this_command())\n"
    )
    words = ["--hf-token", SECRET, f"--password={SECRET}", "--steps", "5", f"http://a:{SECRET}@b"]
    done = subprocess.run(
        [sys.executable, "train.py", *words], capture_output=True, text=True, check=True
    )
    assert SECRET not in done.stdout
    assert "--steps 5" in done.stdout


def test_an_error_is_reported_without_its_secrets() -> None:
    error = ValueError(f"cannot reach http://me:{SECRET}@host")

    def fail() -> None:
        raise error

    with pytest.warns(UserWarning, match="cannot reach") as caught:
        guarded("part", fail)
    assert SECRET not in str(caught[0].message)
    assert SECRET not in Ending.of(error).reason


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_private_file_is_its_owners_from_the_beginning(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_json(tmp_path / "state.json", {}, private=True)
        write_json(tmp_path / "open.json", {})
    finally:
        os.umask(old)
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "open.json").stat().st_mode & 0o777 == 0o666
