"""One failure per file; each watches readings or probes and says what it found."""

from keras_collapse.core.detectors.base import Detector, ProbeDetector
from keras_collapse.core.detectors.batchnorm_mismatch import BatchNormMismatch
from keras_collapse.core.detectors.discriminator_dominates import DiscriminatorDominates
from keras_collapse.core.detectors.discriminator_fooled import DiscriminatorFooled
from keras_collapse.core.detectors.discriminator_pinned import DiscriminatorPinned
from keras_collapse.core.detectors.divergence import Divergence
from keras_collapse.core.detectors.lasting.checkerboard import Checkerboard
from keras_collapse.core.detectors.lasting.generator_modes import GeneratorModes
from keras_collapse.core.detectors.lasting.labels_ignored import ClassCollapse, LabelsIgnored
from keras_collapse.core.detectors.lasting.memorisation import Memorisation
from keras_collapse.core.detectors.mode_collapse import ModeCollapse
from keras_collapse.core.detectors.non_convergence import NonConvergence
from keras_collapse.core.detectors.stalled import Stalled

__all__ = [
    "BatchNormMismatch",
    "Checkerboard",
    "ClassCollapse",
    "Detector",
    "DiscriminatorDominates",
    "DiscriminatorFooled",
    "DiscriminatorPinned",
    "Divergence",
    "GeneratorModes",
    "LabelsIgnored",
    "Memorisation",
    "ModeCollapse",
    "NonConvergence",
    "ProbeDetector",
    "Stalled",
    "default_detectors",
]


def default_detectors(row_steps: int = 1) -> list[Detector | ProbeDetector]:
    """A fresh detector for every failure that is known.

    Args:
        row_steps: how many training steps one step of the readings stands for at least; more
            than 1 where a log has one row per epoch.
    """
    return [
        DiscriminatorPinned(row_steps=row_steps),
        DiscriminatorDominates(row_steps=row_steps),
        DiscriminatorFooled(row_steps=row_steps),
        BatchNormMismatch(row_steps=row_steps),
        NonConvergence(row_steps=row_steps),
        Divergence(),
        ModeCollapse(),
        Stalled(),
        LabelsIgnored(),
        ClassCollapse(),
        GeneratorModes(),
        Memorisation(),
        Checkerboard(),
    ]
