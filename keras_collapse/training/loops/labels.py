"""The labels that D is given in a loop: which of its batches hold real samples."""

from __future__ import annotations

from collections import deque
from typing import Any

import keras
import numpy as np

from keras_collapse.training.wiring.loop_wiring import SAME_LABEL, labels_of_rows

MIXED_GAP, MIXED_SHARE = 0.3, 0.25
"""A batch holds real and fake samples together if its labels leave a gap as wide as this, with at
least this share of the rows on each side. Smoothed labels of one kind, such as 0.7 to 1.2, leave no
such gap, and of noisy labels few are flipped."""
LABELS_KEPT = 64
"""D's calls whose labels are remembered, to tell the labels of real and of fake samples."""


def label_of(labels: Any) -> float | None:
    """The mean label of a batch of one kind; None without labels, or for a batch of both kinds.

    >>> label_of(np.array([0.0, 0.1, 0.9, 1.0])), label_of(np.array([0.8, 1.0, 1.2]))
    (None, 1.0)
    """
    values = labels_of_rows(labels)
    if values is None or not len(values):
        return None
    ordered = np.sort(values)
    gaps = np.diff(ordered)
    if len(gaps) and gaps.max() > MIXED_GAP:
        above = 1 - (int(gaps.argmax()) + 1) / len(values)
        if min(above, 1 - above) >= MIXED_SHARE:
            return None
    return float(values.mean())


def real_rows(inputs: Any, labels: Any, g_label: float) -> list[np.ndarray]:
    """The real rows of a batch of both kinds: those whose labels are nearer to G's own label.

    Returns:
        The rows of each input; empty where the labels do not tell them apart.
    """
    given = labels_of_rows(labels)
    if given is None:
        return []
    apart = np.abs(given - g_label)
    real = apart < (apart.min() + apart.max()) / 2
    return [np.asarray(keras.ops.convert_to_numpy(x))[real] for x in keras.tree.flatten(inputs)]


class Labels:
    """Tells D's calls on real samples from those on fakes, by their labels.

    G's own label is the label of "real": it is what G wants its samples to be called. Of the labels
    that D was given lately, those nearer to it than the middle between the nearest and the farthest
    are of real samples.

    >>> labels = Labels()
    >>> labels.add(0.9), labels.add(0.3)
    (None, None)
    >>> labels.is_real(0.9, g_label=0.7), labels.is_real(0.3, g_label=0.7)
    (True, False)
    """

    def __init__(self) -> None:
        self._known: deque[float] = deque(maxlen=LABELS_KEPT)

    def add(self, label: float | None) -> None:
        """Take the label of a call of D's."""
        if label is not None:
            self._known.append(label)

    def is_real(self, label: float | None, g_label: float | None) -> bool | None:
        """Whether a call of D's was on real samples; None if the labels do not tell."""
        if label is None or g_label is None or not self._known:
            return None
        distances = [abs(one - g_label) for one in self._known]
        nearest, farthest = min(distances), max(distances)
        if farthest - nearest < SAME_LABEL:
            return None
        return abs(label - g_label) < (nearest + farthest) / 2
