"""The ring GAN: every fault of the zoo can be played, on every backend."""

from __future__ import annotations

import numpy as np
import pytest
import ring_gan

import keras_collapse as kc

pytestmark = pytest.mark.backend()


@pytest.mark.parametrize("fault", [None, "instance_noise", "label_noise", "saturating_loss"])
def test_it_trains(fault: str | None) -> None:
    gan, points = ring_gan.build(fault, seed=1)
    logs = gan.fit(points[:256], batch_size=128, epochs=1, verbose=0).history
    assert points.shape == (4096, 2)
    assert all(np.isfinite(values).all() for values in logs.values())


def test_a_frozen_discriminator_is_named(tmp_path: object) -> None:
    gan, points = ring_gan.build("frozen_d", seed=1)
    monitor = kc.CollapseMonitor(run_dir=f"{tmp_path}/run", verbose=0)
    gan.fit(points[:256], batch_size=128, epochs=2, verbose=0, callbacks=[monitor])
    assert "discriminator_frozen" in [f.kind for f in monitor.verdict.findings]


def test_an_unknown_fault_is_said() -> None:
    with pytest.raises(ValueError, match="fault must be one of"):
        ring_gan.build("nothing")
