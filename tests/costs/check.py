"""CPU time of one comparison of 256 samples with 1024 real ones, by the shape of a sample.

python tests/costs/check.py
"""

from __future__ import annotations

import time

import numpy as np

from keras_collapse.core.samples.diversity import RealSample

SHAPES = ((2,), (28, 28, 1), (32, 32, 3), (64, 64, 3), (128, 128, 3))
REAL, DRAWN, REPEATS = 1024, 256, 7


def milliseconds(shape: tuple[int, ...]) -> float:
    """The median CPU time of a comparison."""
    rng = np.random.default_rng(0)
    real, fake = (rng.normal(size=(n, *shape)).astype("float32") for n in (REAL, DRAWN))
    sample, took = RealSample(real), []
    for _ in range(REPEATS):
        began = time.process_time()
        sample.compare(fake)
        took.append(time.process_time() - began)
    return float(np.median(took)) * 1e3


if __name__ == "__main__":
    for shape in SHAPES:
        print(f"{'x'.join(map(str, shape)):12s} {milliseconds(shape):5.0f} ms")
