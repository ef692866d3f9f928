"""G repeats the training data, or D knows its training data from held-out ones."""

from __future__ import annotations

from collections.abc import Sequence

from keras_collapse.core.detectors.lasting.sign import LastingSign
from keras_collapse.core.detectors.no_progress import rounded
from keras_collapse.core.detectors.sample_quality import collapsed
from keras_collapse.core.findings import Finding, Severity
from keras_collapse.core.samples.probe import Probe

COPIES = 0.2
"""Share of copies among the fakes, beyond those among held-out samples, from which G copies."""
COPYING_Z = 5.0
"""Standard normal score that they need as well; other samples of the data show -3 to 0."""
OVERFITS = 0.75
"""Share of pairs in which D scores a training sample above a held-out one from which it overfits.
DCGANs of 64 digits reach 0.81 to 0.99, and those of 3000 stay below 0.57."""
GAP = 0.5
"""Part of the way from the training samples' mean score to the fakes' at which held-out samples
lie: 1 if D takes them for fakes. DCGANs of 64 digits exceed 1, those of 3000 stay below 0.3."""
LASTS = 400
"""Steps that it lasts: as many as other signs need."""
NUMBERS = (
    "copied_share",
    "copying_z",
    "d_score_real",
    "d_score_held_out",
    "d_score_fake",
    "d_held_out_gap",
    "d_overfits",
)


class Memorisation(LastingSign):
    """Finds ``memorisation``: G's samples are copies, or D has learned its data by heart.

    Samples that are collapsed are `mode_collapse`, whatever they repeat.

    >>> detector = Memorisation()
    >>> for step in range(0, 600, 100):
    ...     detector.update_probe(Probe(step, {"d_overfits": 0.98, "d_held_out_gap": 1.2}))
    >>> [(f.severity.value, f.first_step, f.evidence["d_overfits"]) for f in detector.findings]
    [('warning', 0, 0.98)]
    """

    kind = "memorisation"
    leaves_open = False

    def holds(self, probe: Probe) -> bool | None:
        if not {"copied_share", "d_overfits"} & probe.values.keys():
            return None
        return _copies(probe) or _overfits(probe)

    def severity(self, checks: Sequence[Probe]) -> Severity | None:
        return Severity.WARNING if checks[-1].step - checks[0].step >= LASTS else None

    def describe(self, probe: Probe) -> Finding:
        evidence, step = rounded(probe, NUMBERS), probe.step
        parts = []
        if _copies(probe):
            share = evidence["copied_share"]
            parts.append(f"{share:.0%} of G's samples are copies of training samples")
        if _overfits(probe):
            share = evidence["d_overfits"]
            parts.append(
                f"D scores training samples above held-out ones in {share:.0%} of all pairs, where "
                "50 % is chance"
            )
        advice = (
            "Train on more data.",
            "Augment what D is shown, real samples and fakes alike, by random shifts, flips and "
            "colours, in G's step too (Karras et al., 2020; Zhao et al., 2020).",
            "Use a smaller D, or dropout in it.",
            "Or stop earlier, at the best sample check before this one.",
        )
        message = f"The training data are memorised: {', and '.join(parts)}."
        return Finding(self.kind, Severity.WARNING, step, step, message, evidence, advice)


def _copies(probe: Probe) -> bool:
    share, z = probe.get("copied_share"), probe.get("copying_z")
    if share is None or z is None or collapsed(probe) is True:
        return False
    return share >= COPIES and z >= COPYING_Z


def _overfits(probe: Probe) -> bool:
    share, gap = probe.get("d_overfits"), probe.get("d_held_out_gap")
    return share is not None and gap is not None and share >= OVERFITS and gap >= GAP
