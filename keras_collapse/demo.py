"""``keras-collapse demo``: a GAN of the examples, trained under the monitor."""

from __future__ import annotations

import importlib
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Verdict
from keras_collapse.keras_backend import choose_backend, quieten

PRESET = "small"
EPOCHS = 9
"""Of the 20 that the preset has: camels can be seen by then, after three minutes on two cores."""


def run_demo(
    data: Path | None,
    seed: int,
    epochs: int | None,
    fault: str | None,
    out: Path | None,
    ui: int | None,
) -> Verdict:
    """Train the camel GAN, or one on a ring with a fault of the zoo; print the verdict.

    Raises:
        InputError: no backend, a bad data file, seed, fault or folder, or a port in use; all
            before anything is trained or written.
    """
    if epochs is not None and epochs < 1:
        raise InputError(f"--epochs must be at least 1. Received: {epochs}.")
    if ui is not None:
        _check_port(ui)
    backend = choose_backend()
    quieten()
    camel_gan, ring_gan = _example("camel_gan"), _example("ring_gan")
    on_camels = fault is None or fault in camel_gan.FAULTS
    if not on_camels and fault not in ring_gan.CAUSES:
        known = ", ".join((*camel_gan.FAULTS, *ring_gan.CAUSES))
        raise InputError(f"--fault must be one of {known}. Received: {fault}.")
    if not on_camels and data is not None:
        raise InputError(
            f"--data is for the camel GAN, which has no such fault. Received: {fault}."
        )

    import keras_collapse as kc

    what = f"Camel GAN, preset {PRESET!r}" if on_camels else "A GAN on a ring of eight Gaussians"
    print(f"{what}, fault: {fault or 'none'}, seed {seed}, on Keras with {backend}", flush=True)
    seeds = kc.seed_everything(seed)
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
            kc.MLflowLogger(
                run_name=f"{'camel' if on_camels else 'ring'}-{fault or 'correct'}-{seed}"
            ),
            kc.LiveMonitor(),
        ],
    )
    _say_next(monitor, ui)
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
    """Import one of the examples: beside the package in a wheel, above it in a checkout."""
    here = Path(__file__).parent
    folder = next(f for f in (here / "examples", here.parent / "examples") if f.is_dir())
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return importlib.import_module(name)


def _say_next(monitor: Any, ui: int | None) -> None:
    """The exact next commands, and the UI if asked for."""
    import mlflow

    store = mlflow.get_tracking_uri()
    mlflow_ui = f"mlflow ui --backend-store-uri {store}"
    grid = monitor.run_dir / "samples.png"
    print(f"Samples:     {grid}" if grid.exists() else "Samples:     none were drawn")
    print(f"Look again:  keras-collapse diagnose {monitor.run_dir}")
    print(f"In MLflow:   {mlflow_ui}")
    if ui is not None:
        print(f"MLflow at http://127.0.0.1:{ui}, until Ctrl-C", flush=True)
        command = [sys.executable, "-m", *mlflow_ui.split(), "--port", str(ui)]
        try:
            subprocess.run(command, check=False)
        except KeyboardInterrupt:
            print("MLflow's UI was closed.")
