"""One failure per file; each watches readings or probes and says what it found."""

from keras_collapse.core.detectors.base import Detector, ProbeDetector
from keras_collapse.core.detectors.batchnorm_mismatch import BatchNormMismatch
from keras_collapse.core.detectors.discriminator_dominates import DiscriminatorDominates
from keras_collapse.core.detectors.discriminator_fooled import DiscriminatorFooled
from keras_collapse.core.detectors.discriminator_pinned import DiscriminatorPinned
from keras_collapse.core.detectors.divergence import Divergence
from keras_collapse.core.detectors.generator_modes import GeneratorModes
from keras_collapse.core.detectors.labels_ignored import ClassCollapse, LabelsIgnored
from keras_collapse.core.detectors.mode_collapse import ModeCollapse
from keras_collapse.core.detectors.non_convergence import NonConvergence
from keras_collapse.core.detectors.stalled import Stalled

__all__ = [
    "BatchNormMismatch",
    "ClassCollapse",
    "Detector",
    "DiscriminatorDominates",
    "DiscriminatorFooled",
    "DiscriminatorPinned",
    "Divergence",
    "GeneratorModes",
    "LabelsIgnored",
    "ModeCollapse",
    "NonConvergence",
    "ProbeDetector",
    "Stalled",
    "default_detectors",
]


def default_detectors(
    row_steps: int = 1, objective: str | None = None
) -> list[Detector | ProbeDetector]:
    """A fresh detector for every failure that is known.

    Args:
        row_steps: how many training steps one step of the readings stands for at least; more
            than 1 where a log has one row per epoch.
        objective: what D and G minimise if it is known: ``"cross_entropy"``, ``"least_squares"``,
            ``"wasserstein"`` or ``"hinge"``; None to infer from the losses whether it is the first.
    """
    return [
        DiscriminatorPinned(row_steps=row_steps, objective=objective),
        DiscriminatorDominates(row_steps=row_steps, objective=objective),
        DiscriminatorFooled(row_steps=row_steps, objective=objective),
        BatchNormMismatch(row_steps=row_steps, objective=objective),
        NonConvergence(row_steps=row_steps, objective=objective),
        Divergence(),
        ModeCollapse(),
        Stalled(),
        LabelsIgnored(),
        ClassCollapse(),
        GeneratorModes(),
    ]
