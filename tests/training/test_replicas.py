"""A fit on several replicas is watched, and left as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import TESTS

MIRRORED = """
import json, sys
sys.path.insert(0, {here!r})
import keras
import tensorflow as tf
from tiny import ring, tiny_gan, weights
import keras_collapse as kc

(cpu,) = tf.config.list_physical_devices("CPU")
half = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [half, half])

def train(callbacks):
    keras.utils.set_random_seed(3)
    one_device = tf.distribute.ReductionToOneDevice()  # the default needs GPUs
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=one_device)
    with strategy.scope():
        gan = tiny_gan()
    data = tf.data.Dataset.from_tensor_slices(ring(256)).batch(32, drop_remainder=True)
    gan.fit(data, epochs=4, verbose=0, callbacks=callbacks)
    return strategy.num_replicas_in_sync, weights(gan)

monitor = kc.CollapseMonitor(run_dir="run", verbose=0)
replicas, watched = train([monitor])
_, alone = train([])
print(json.dumps({{
    "replicas": replicas,
    "same": all((a == b).all() for a, b in zip(watched, alone, strict=True)),
    "off": monitor._session.off,
    "steps": monitor.verdict.steps,
    "kinds": [finding.kind for finding in monitor.verdict.findings],
}}))
"""


@pytest.mark.backend("tensorflow")
@pytest.mark.slow("tensorflow")
def test_two_replicas_train_to_the_same_weights_as_without_the_monitor(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED.format(here=str(TESTS))],
        cwd=tmp_path, env=os.environ | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["replicas"], found["same"], found["off"], found["steps"]) == (2, True, False, 32)
    assert "not_checked" in found["kinds"]
