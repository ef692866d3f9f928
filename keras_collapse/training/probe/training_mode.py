"""G in training mode next to G in inference mode, which batch norm may make two generators."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_collapse.core.findings import Finding, Severity
from keras_collapse.training.networks.layers import batch_norms
from keras_collapse.training.networks.preserve_state import preserve_state
from keras_collapse.training.networks.sampling import no_gradients

VISIBLE = 0.3
"""Gap from which both modes differ visibly. With a momentum of 0.99 it was 0.7 to 1.2 in the first
30 steps of a GAN of digits, 0.4 at step 100, and below 0.25 from step 200 on; with a momentum of
0.9 or 0.8 below 0.15 from step 30 on."""


def draw_in_training_mode(generator: Any, inputs: Any) -> np.ndarray:
    """Draw G's samples as its training step does, and leave everything unchanged.

    Moving averages and seeds are restored, bit by bit. See `infer` for where it may be called.

    Args:
        generator: the network.
        inputs: of it, nested arrays (n, ...).

    Returns:
        The samples as float32 (n, ...).
    """
    with preserve_state(generator.non_trainable_variables), no_gradients():
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        samples = keras.ops.convert_to_numpy(generator(tensors, training=True))
    return np.asarray(samples, dtype=np.float32)


def mode_gap(generator: Any, inputs: Any, samples: np.ndarray) -> float | None:
    """How far G's samples in training mode are from those in inference mode.

    Args:
        generator: the network.
        inputs: of it, nested arrays (n, ...).
        samples: what it makes of them in inference mode, float32 (n, ...).

    Returns:
        The mean distance of both samples of one input, as a share of the mean distance of two
        inputs' samples in training mode: 0 for one generator, about 1 for unrelated samples. None
        if G has no batch norm, or gives the same to all inputs.
    """
    if not batch_norms(generator):
        return None
    trained = draw_in_training_mode(generator, inputs).reshape(len(samples), -1)
    apart = np.linalg.norm(trained - samples.reshape(len(samples), -1), axis=1).mean()
    others = np.linalg.norm(trained - np.roll(trained, 1, axis=0), axis=1).mean()
    return float(apart / others) if others > 0 and np.isfinite(apart) else None


class ModeWatch:
    """Notes where a sample check sees another G than the one in training; an `info` finding.

    To be used by a sample check, which has drawn in inference mode::

        finding = self._modes.see(step, generator, inputs, samples)
        if finding is not None:
            report(finding)
    """

    def __init__(self) -> None:
        self._open: Finding | None = None

    def see(self, step: int, generator: Any, inputs: Any, samples: np.ndarray) -> Finding | None:
        """Compare the samples of a check with those in training mode; see `mode_gap`.

        Returns:
            The finding when both differ visibly for the first time, and once more, resolved, when
            they do no longer; else None.
        """
        gap = mode_gap(generator, inputs, samples)
        if gap is None:
            return None
        if gap >= VISIBLE and self._open is None:
            self._open = _describe(step, gap, generator)
            return self._open
        if gap < VISIBLE and self._open is not None:
            ended, self._open = replace(self._open, last_step=step, resolved=True), None
            return ended
        return None


def _describe(step: int, gap: float, generator: Any) -> Finding:
    momentum = max(float(layer.momentum) for layer in batch_norms(generator))
    return Finding(
        "generator_modes_differ",
        Severity.INFO,
        step,
        step,
        f"G's samples in inference mode, which are checked, differ from those in training by "
        f"{gap:.0%} of the difference between two samples: the moving averages of its batch norm "
        "lag behind.",
        {"gap": round(gap, 4), "momentum": momentum},
        (
            "Judge the samples later, or lower the momentum of G's BatchNormalization layers to "
            "0.9 or 0.8.",
            "If it persists, check that the training keeps G's moving averages: a loop in JAX has "
            "to carry its non-trainable variables from step to step.",
        ),
    )
