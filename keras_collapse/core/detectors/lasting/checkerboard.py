"""G's images show a checkerboard, or another pattern that repeats every two or four pixels."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.detectors.lasting.sign import LastingSign
from keras_collapse.core.detectors.no_progress import rounded
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe

VISIBLE = 1.5
"""Power at a period of 2 or 4 pixels, relative to the frequencies around and to the real images,
from which there is a pattern. Of MNIST, Quick, Draw! and CIFAR-10, 256 images show 0.88 to 1.05
against others."""
LASTS = 1000
"""Steps that it lasts: a G of transposed convolutions begins with patterns, whatever its kernels,
and those of digits with batch norm lose them within 600 steps."""


class Checkerboard(LastingSign):
    """Finds ``checkerboard``: a pattern with the period of a stride, which the data do not have.

    >>> detector = Checkerboard()
    >>> for step in range(0, 1200, 100):
    ...     values = {"checkerboard": 3.0, "checkerboard_period": 2.0, "uneven_convolutions": 1.0}
    ...     detector.update_probe(Probe(step, values))
    >>> [(f.severity.value, f.first_step, f.evidence["checkerboard"]) for f in detector.findings]
    [('info', 0, 3.0)]
    """

    kind = "checkerboard"
    leaves_open = False

    def holds(self, probe: Probe) -> bool | None:
        ratio = probe.get("checkerboard")
        return None if ratio is None else ratio >= VISIBLE

    def severity(self, checks: Sequence[Probe]) -> Severity | None:
        return Severity.INFO if checks[-1].step - checks[0].step >= LASTS else None

    def describe(self, probe: Probe) -> Finding:
        names = ("checkerboard", "checkerboard_period", "uneven_convolutions")
        evidence, step = rounded(probe, names), probe.step
        message = (
            f"G's samples show a pattern that repeats every {evidence['checkerboard_period']:.0f} "
            f"pixels: it has {evidence['checkerboard']:.1f} times the power that the data have "
            "there, relative to the frequencies around."
        )
        if evidence.get("uneven_convolutions"):
            message += (
                f" {evidence['uneven_convolutions']:.0f} of G's transposed convolutions have a "
                "kernel that is not divisible by the stride, which covers some pixels more often "
                "than others."
            )
            advice = [
                "Give G's Conv2DTranspose layers a kernel size that is divisible by the stride, as "
                "4 or 6 with strides of 2 (Odena, Dumoulin & Olah, 2016).",
                "Or use UpSampling2D followed by Conv2D with strides of 1.",
            ]
        else:
            advice = [
                "Use UpSampling2D followed by Conv2D with strides of 1 instead of Conv2DTranspose "
                "or depth-to-space in G (Odena, Dumoulin & Olah, 2016).",
                "In D, use kernel sizes that are divisible by the strides: its gradients have "
                "checkerboards too.",
            ]
        return Finding(self.kind, Severity.INFO, step, step, message, evidence, advice)
