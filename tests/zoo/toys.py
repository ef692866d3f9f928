"""Data whose modes are known, and the published oracle that counts the modes a generator covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HIGH_QUALITY = 3.0
"""Standard deviations from a centre up to which a sample is of high quality (Srivastava et al.,
VEEGAN, 2017; Lin et al., PacGAN, 2018)."""


DUE = 0.25
"""Share of the good samples due to a mode, or a kind of drawing, from which it has its part."""


@dataclass(frozen=True)
class Toy:
    """A mixture of equal Gaussians in the plane.

    Args:
        name: of the data set.
        centres: float32 (modes, 2).
        spread: standard deviation of each mode.
    """

    name: str
    centres: np.ndarray
    spread: float

    size = 2  # numbers in a sample
    judged = 2500  # samples that the oracle counts

    @property
    def modes(self) -> int:
        """How many there are."""
        return len(self.centres)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Samples as float32 (count, 2)."""
        mode = rng.integers(len(self.centres), size=count)
        noise = rng.normal(0, self.spread, (count, 2))
        return (self.centres[mode] + noise).astype("float32")

    def judge(self, samples: np.ndarray) -> tuple[int, float]:
        """Modes with at least one sample of high quality, and the share of such samples.

        Args:
            samples: float (n, 2); published figures take n = 2500.
        """
        modes, near = self.modes_of(samples)
        return len(np.unique(modes[near])), float(near.mean())

    def modes_of(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest mode of each sample, and whether it is of high quality."""
        apart = np.linalg.norm(samples[:, None] - self.centres, axis=2)
        return apart.argmin(axis=1), apart.min(axis=1) <= HIGH_QUALITY * self.spread


def _ring() -> Toy:
    angles = np.arange(8) * np.pi / 4
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype("float32")
    return Toy("ring", centres, 0.05)


def _grid() -> Toy:
    ticks = np.linspace(-1, 1, 5)
    centres = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2).astype("float32")
    return Toy("grid", centres, 0.05)


def _uneven() -> Toy:
    """Two near modes, two far ones: no symmetry to lean on."""
    centres = np.array([[0, 0], [0.35, 0], [1, 0.9], [-1, 0.6], [-0.5, -1]], "float32")
    return Toy("uneven", centres, 0.05)


TOYS = {toy.name: toy for toy in (_ring(), _grid(), _uneven())}
