"""``keras-collapse demo``: train one of the example GANs under the monitor."""

from __future__ import annotations

import contextlib
import importlib
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Verdict
from keras_collapse.keras_backend import choose_backend, quiet_start

PRESET = "small"
EPOCHS = 9
"""Of the preset's 20: camels are visible by then, after three minutes on two cores."""
EXPERIMENT = "keras-collapse demo"


def run_demo(
    data: Path | None,
    seed: int,
    epochs: int | None,
    fault: str | None,
    out: Path | None,
    ui: int | None,
) -> Verdict:
    """Train the camel GAN, or a GAN on a ring of Gaussians with a fault; print the verdict.

    Args:
        data: drawings to train on, a ``.npy`` file; synthetic ones if None.
        seed: of everything random.
        epochs: number of epochs; by default as many as show the result.
        fault: the fault to build in; None for a correct GAN.
        out: the run's folder; a new one in ``collapse_runs`` if None.
        ui: the port at which to open MLflow's UI afterwards; not opened if None.

    Raises:
        InputError: no backend, a bad data file, seed, fault or folder, or a port in use; all
            before anything is trained or written.
    """
    if epochs is not None and epochs < 1:
        raise InputError(f"--epochs must be at least 1. Received: {epochs}.")
    if ui is not None:
        _check_port(ui)
    backend = choose_backend()
    with quiet_start():
        import keras_collapse as kc

        camel_gan, ring_gan = _example("camel_gan"), _example("ring_gan")
    on_camels = fault is None or fault in camel_gan.FAULTS
    if not on_camels and fault not in ring_gan.CAUSES:
        known = ", ".join((*camel_gan.FAULTS, *ring_gan.CAUSES))
        raise InputError(f"--fault must be one of {known}. Received: {fault}.")
    if not on_camels and data is not None:
        raise InputError(
            f"--data is for the camel GAN, which has no such fault. Received: {fault}."
        )
    what = f"Camel GAN, preset {PRESET!r}" if on_camels else "A GAN on a ring of eight Gaussians"
    print(f"{what}, fault: {fault or 'none'}, seed {seed}, on Keras with {backend}", flush=True)
    with quiet_start():
        seeds = kc.seed_everything(seed)  # imports TensorFlow under every backend
    try:
        if on_camels:
            gan, samples = camel_gan.build(PRESET, str(data) if data else None, seed, fault)
            batch_size = camel_gan.PRESETS[PRESET].batch_size
        else:
            gan, samples = ring_gan.build(fault, seed)
            batch_size = gan.cause.batch_size
        samples = camel_gan.whole_batches(samples, batch_size)
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from None
    logger = kc.MLflowLogger(
        run_name=f"{'camel' if on_camels else 'ring'}-{fault or 'correct'}-{seed}",
        experiment=None if _experiment_is_set() else EXPERIMENT,
    )
    monitor = kc.CollapseMonitor(run_dir=out)
    monitor.open_journal()
    steps = len(samples) // batch_size
    epochs = epochs or (EPOCHS if on_camels else -(-ring_gan.STEPS // steps))
    gan.fit(
        samples,
        batch_size=batch_size,
        epochs=epochs,
        verbose=0,
        callbacks=[
            kc.SeedControl(seeds.seed, verbose=0),
            monitor,
            logger,
            kc.LiveMonitor(),
        ],
    )
    _print_next(monitor, logger, ui)
    return monitor.verdict


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            raise InputError(
                f"port {port} cannot be used (taken, or not allowed). Give another --ui."
            ) from None


def _example(name: str) -> Any:
    """Import an example: next to the package's modules in a wheel, above them in a checkout."""
    here = Path(__file__).parent
    folder = next(f for f in (here / "examples", here.parent / "examples") if f.is_dir())
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return importlib.import_module(name)


def _experiment_is_set() -> bool:
    return any(os.environ.get(name) for name in ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"))


def _print_next(monitor: Any, logger: Any, ui: int | None) -> None:
    """Print the exact next commands; open MLflow's UI if a port was given."""
    import mlflow

    store = mlflow.get_tracking_uri()
    command = ["mlflow", "ui", "--backend-store-uri", store]
    grid = monitor.run_dir / "samples.png"
    print(f"Samples:     {grid}" if grid.exists() else "Samples:     none were drawn")
    print(f"Diagnose:    keras-collapse diagnose {shlex.quote(str(monitor.run_dir))}")
    print(f"In MLflow:   {shlex.join(command)}")
    if ui is None:
        return
    address = f"http://127.0.0.1:{ui}"
    print(f"This run:    {logger.link(address) or address}, until Ctrl-C", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run([sys.executable, "-m", *command, "--port", str(ui)], check=False)
    print("MLflow's UI was closed.")
