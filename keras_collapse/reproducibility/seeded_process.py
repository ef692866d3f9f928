"""``keras-collapse run``: a script in a new process, seeded before Python starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_collapse.core.errors import InputError

LARGEST_SEED = 2**32 - 1
DETERMINISTIC_XLA = "--xla_gpu_deterministic_ops=true"

_PROGRAM = """
import runpy, sys
import keras_collapse as kc
print(kc.seed_everything({seed}), file=sys.stderr)
sys.argv = sys.argv[1:]
sys.orig_argv = ["keras-collapse", "run", "--seed", "{seed}", *sys.argv]
sys.path[0] = {folder!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def environment(seed: int, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that seed a new process.

    The hash seed, XLA's deterministic operations and cuBLAS' workspace take effect only if they
    are set before Python, or the backend, starts.

    Args:
        seed: the seed.
        given: the environment so far; what the user has set is kept.
    """
    variables = {
        "PYTHONHASHSEED": str(seed),
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        **given,
    }
    flags = given.get("XLA_FLAGS", "")
    if "deterministic_ops" not in flags:
        variables["XLA_FLAGS"] = f"{flags} {DETERMINISTIC_XLA}".strip()
    return variables


def run_script(script: Path, seed: int, arguments: Sequence[str]) -> int:
    """Run a script with its arguments, and return its exit status.

    Raises:
        InputError: there is no such script, or the seed is out of range.
    """
    if not script.is_file():
        raise InputError(f"no such file: {str(script)!r}. Give a Python script.")
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"--seed must be in [0, {LARGEST_SEED}]. Received: {seed}.")
    program = _PROGRAM.format(seed=seed, folder=str(script.resolve().parent))
    command = [sys.executable, "-c", program, str(script), *arguments]
    given = {k: v for k, v in os.environ.items() if k != "PYTHONHASHSEED"}
    return subprocess.run(command, env=environment(seed, given), check=False).returncode
