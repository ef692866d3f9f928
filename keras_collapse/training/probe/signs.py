"""Detect memorisation and checkerboards in sample checks."""

from __future__ import annotations

import numpy as np

from keras_collapse.core.guard import guarded
from keras_collapse.core.samples.spectrum import Spectrum, has_spectrum
from keras_collapse.training.networks.discovery import Networks
from keras_collapse.training.networks.layers import uneven_convolutions
from keras_collapse.training.probe.held_out import Data, Memorisation
from keras_collapse.training.probe.real_data import RealData


class Signs:
    """Measures memorisation and checkerboards; an error in one of them ends that one only.

    Args:
        networks: with a generator.
        data: the data known when the training begins.
    """

    def __init__(self, networks: Networks, data: Data | None = None) -> None:
        self._parts: list[Memorisation | Checkerboards] = [
            Memorisation(data or Data(), networks.discriminator),
            Checkerboards(uneven_convolutions(networks.generator)),
        ]

    def measure(self, real: RealData, samples: np.ndarray) -> dict[str, float]:
        """Return the numbers of one sample check, by name.

        Args:
            real: some of the training data.
            samples: of G, float32 (m, *sample).
        """
        found: dict[str, float] = {}
        for part in tuple(self._parts):
            found |= guarded(part, part.measure, real, samples, off=self._parts.remove) or {}
        return found


class Checkerboards:
    """Compares the spectrum of G's images with that of the real ones.

    Args:
        uneven: G's transposed convolutions whose kernel is not divisible by their stride.
    """

    def __init__(self, uneven: int) -> None:
        self._uneven = uneven
        self._spectrum: Spectrum | None = None

    def measure(self, real: RealData, samples: np.ndarray) -> dict[str, float]:
        """Return the numbers of `Spectrum.measure`, and ``uneven_convolutions``; see `Signs`."""
        if not has_spectrum(samples.shape[1:]) or real.samples.shape[1:3] != samples.shape[1:3]:
            return {}
        if self._spectrum is None:
            self._spectrum = Spectrum(real.samples[: len(samples)])
        found = self._spectrum.measure(samples)
        return found | {"uneven_convolutions": float(self._uneven)} if found else {}
