"""The probe: fixed latents, a fixed sample of the data, and what G and D make of them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import keras
import numpy as np

from keras_collapse.core.diversity import RealSample
from keras_collapse.core.errors import InputError
from keras_collapse.core.probes import Probe
from keras_collapse.training.checks import REACH, SLACK, last_activation
from keras_collapse.training.models import Networks
from keras_collapse.training.samples import draw, infer

SHOWN = 32
"""Samples in the picture."""
DRAWN = 256
"""Samples that are compared: half of eight modes missing show for certain from a hundred on."""
REAL = 1024
"""Real samples they are compared with."""
SEED = 20190528  # any number: the latents are fixed so that looks can be compared
SHARE = 0.05
"""Of the training's time that looks may take: one that would take more is only a picture."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look brought.

    Args:
        samples: float32 (32, ...), of the first latents.
        probe: the numbers; None where there is no real sample or no time for one.
    """

    samples: np.ndarray
    probe: Probe | None


class Prober:
    """Looks at a pair of networks, and keeps within its share of the time.

    Args:
        networks: with a generator whose latent's shape is known.
        real: float (n, *sample) of the data as D is shown it; None where it is out of reach.

    Attributes:
        blind: why samples are not compared with data, in words; empty where they are.
    """

    def __init__(self, networks: Networks, real: np.ndarray | None) -> None:
        assert networks.latent_shape is not None
        self.blind = ""
        self._networks = networks
        rng = np.random.default_rng(SEED)
        self._latents = rng.standard_normal((DRAWN, *networks.latent_shape), np.float32)
        self._real = real
        self._sample: RealSample | None = None
        self._cost = 0.0  # of the last full look, in seconds
        self._since = time.perf_counter()
        if real is None:
            self.blind = "the data is out of reach; give CollapseMonitor(real=some_samples)"
        else:
            self._compare_with(real)

    def look(self, step: int) -> Look:
        """Draw, and where time allows compare; call it as `draw` is called."""
        began = time.perf_counter()
        if self._sample is None or self._cost > SHARE * (began - self._since):
            return Look(draw(self._networks.generator, self._latents[:SHOWN]), None)
        samples = draw(self._networks.generator, self._latents)
        values = self._sample.compare(samples.reshape(len(samples), -1)).to_dict()
        numbers = {name: float(v) for name, v in values.items() if v is not None}
        numbers |= self._scores(samples)
        self._since = time.perf_counter()
        self._cost = self._since - began
        return Look(samples[:SHOWN], Probe(step, numbers))

    def _compare_with(self, real: np.ndarray) -> None:
        """Prepare the real sample, unless G could never draw it: then it is not what D sees."""
        activation = last_activation(self._networks.generator)
        low, high = REACH.get(activation or "", (-np.inf, np.inf))
        if real.min() < low - SLACK or real.max() > high + SLACK:
            self.blind = (
                f"the data given to fit lie in [{real.min():g}, {real.max():g}], out of reach of "
                f"G's {activation}; give CollapseMonitor(real=...) as D is shown it"
            )
            return
        try:
            self._sample = RealSample(real.reshape(len(real), -1))
        except InputError as error:
            self.blind = str(error)

    def _scores(self, samples: np.ndarray) -> dict[str, float]:
        """What D says to both kinds, in inference mode."""
        judge = self._networks.discriminator
        if judge is None or self._real is None:
            return {}
        scores = [infer(judge, x) for x in (self._real[:DRAWN], samples)]
        if any(isinstance(score, list | tuple | dict) for score in scores):
            return {}
        real, fake = (np.asarray(keras.ops.convert_to_numpy(s), "float64") for s in scores)
        real, fake = (s.reshape(len(s), -1).mean(axis=1) for s in (real, fake))
        found = {
            "d_score_real": float(real.mean()),
            "d_score_fake": float(fake.mean()),
            "separation": separation(real, fake),
        }
        if last_activation(judge) == "sigmoid":
            found["d_acc_real"] = float((real > 0.5).mean())
            found["d_acc_fake"] = float((fake <= 0.5).mean())
        return {name: number for name, number in found.items() if np.isfinite(number)}


def separation(real: np.ndarray, fake: np.ndarray) -> float:
    """Share of pairs of a real and a fake sample that D puts in one order (the area under its ROC).

    Args:
        real, fake: scores (n,) and (m,).

    Returns:
        In [0.5, 1]: 0.5 tells nothing apart; ties count half.

    >>> separation(np.array([0.9, 0.8]), np.array([0.1, 0.85]))
    0.75
    """
    apart = np.sign(real[:, None] - fake[None, :])
    area = float((apart + 1).mean() / 2)
    return max(area, 1 - area)
