"""The triages of the bench: programs, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PROGRAMS = (
    ("drawings16", "keras_docs", 1e-3),
    ("scenery16", "batch_norm", 2e-3),
    ("digits16", "least_squares", 1e-3),
)
"""Data sets (drawings, photographs and digits), families, and D's learning rate; G's is 1e-3. With
1e-3 for D too, most seeds of the second fail without a fault, and no single change can cure it."""
BATCHES = (8, 16, 32)
STEPS = 400
"""Of a trial, too few: trials go on until they are decided."""


@dataclass(frozen=True)
class Injected:
    """What is wrong with a GAN, and the cause that should be named.

    Args:
        name: of the fault.
        causes: root causes that are right.
        d_rate, g_rate: what the learning rates are multiplied with.
        params: of the experiment; triage can change them.
        objective, dropout: in place of the family's.
        init: what the initial kernels are multiplied with.
        scaled: whether rates grow with the batch size.
        leak: whether G's optimizer is given D's weights too.
    """

    name: str
    causes: tuple[str, ...]
    d_rate: float = 1.0
    g_rate: float = 1.0
    params: Mapping[str, Any] = field(default_factory=dict)
    dropout: float | None = None
    init: float = 1.0
    scaled: bool = False
    leak: bool = False


TOO_HIGH = ("batch_size", "batch_size_and_initialization", "learning_rate_ratio")
"""What undoes rates that grow with the batch: a smaller one, or lower rates."""
FAULTS = (
    Injected("none", ("none",)),
    Injected("d_too_slow", ("learning_rate_ratio",), d_rate=0.004),
    Injected("g_too_fast", ("learning_rate_ratio",), g_rate=20.0),
    Injected("d_too_fast", ("learning_rate_ratio",), d_rate=20.0, g_rate=0.1),
    Injected("g_too_slow", ("learning_rate_ratio",), g_rate=0.003),
    Injected("dropout", ("dropout", "weak_discriminator"), dropout=0.95),
    Injected("label_noise", ("label_noise",), params={"label_noise": 0.48}),
    Injected("noise", ("instance_noise",), params={"noise": 1.5}),
    Injected("small_latent", ("latent_size",), params={"latent_dim": 1}),
    Injected("initialization", ("initialization",), init=5.0),
    Injected("rates_grow_with_batch", TOO_HIGH, d_rate=2.0, g_rate=8.0, scaled=True),
    Injected("leak", ("wiring",), leak=True),
)


@dataclass(frozen=True)
class Case:
    """One triage: a program, a fault and its first seed."""

    fault: Injected
    data: str
    family: str
    rate: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.fault.name}-{self.data}-{self.seed}"


def cases() -> list[Case]:
    """All triages; in any beginning of the list faults and programs are about equally frequent."""
    found: list[Case] = []
    for turn in range(2 * len(PROGRAMS)):
        for place, fault in enumerate((*FAULTS, FAULTS[0])):
            program = PROGRAMS[(place + turn) % len(PROGRAMS)]
            found.append(Case(fault, *program, 1000 * (len(found) + 1)))
    return found
