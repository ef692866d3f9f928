"""G in inference mode, which is sampled, is another generator than G in training mode."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.detectors.lasting.sign import LastingSign
from keras_collapse.core.detectors.no_progress import rounded
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe

VISIBLE = 0.3
"""Gap from which both modes differ visibly. With a momentum of 0.99 it was 0.7 to 1.2 in the first
30 steps of a GAN of digits, 0.4 at step 100, and below 0.25 from step 200 on; with a momentum of
0.9 or 0.8 below 0.15 from step 30 on."""
LASTS = 400
"""Steps that it lasts where moving averages do not merely lag behind: twice the above."""


class GeneratorModes(LastingSign):
    """Finds ``generator_modes_differ``: G's moving averages do not follow its training.

    >>> detector = GeneratorModes()
    >>> for step in range(0, 600, 100):
    ...     detector.update_probe(Probe(step, {"mode_gap": 0.8}))
    >>> [(f.severity.value, f.first_step, f.evidence["mode_gap"]) for f in detector.findings]
    [('info', 0, 0.8)]
    """

    kind = "generator_modes_differ"
    leaves_open = False

    def holds(self, probe: Probe) -> bool | None:
        gap = probe.get("mode_gap")
        return None if gap is None else gap >= VISIBLE

    def severity(self, checks: Sequence[Probe]) -> Severity | None:
        return Severity.INFO if checks[-1].step - checks[0].step >= LASTS else None

    def describe(self, probe: Probe) -> Finding:
        gap, step = probe.values["mode_gap"], probe.step
        message = (
            "G's samples in inference mode, which are checked, differ from those in training mode "
            f"by {gap:.0%} of the difference between two samples: the moving averages of its batch "
            "norm do not follow its training."
        )
        advice = (
            "Call G with training=True in its step, and check that the loop keeps its moving "
            "averages: a loop in JAX has to carry G's non-trainable variables from step to step.",
            "Or lower the momentum of G's BatchNormalization layers to 0.9 or 0.8.",
        )
        evidence = rounded(probe, ("mode_gap",))
        return Finding(self.kind, Severity.INFO, step, step, message, evidence, advice)
