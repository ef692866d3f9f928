"""The canonical signal names of a GAN, and their recognition among log keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keras_collapse.core.errors import InputError

SIGNALS = (
    "d_loss",
    "d_loss_real",
    "d_loss_fake",
    "d_acc",
    "d_acc_real",
    "d_acc_fake",
    "g_loss",
    "g_acc",
)
"""The signals of a reading. ``*_acc`` is in [0, 1]; ``g_acc`` is the share of G's samples that D
calls real, the accuracy of a combined model trained with label 1."""

# Spellings of each part of a name. A name is recognised if all of its words are.
_NETWORKS = {
    "d": ("d", "dis", "disc", "discriminator", "c", "critic"),
    "g": ("g", "gen", "generator"),
}
_QUANTITIES = {"loss": ("loss",), "acc": ("acc", "accuracy")}
_HALVES = {"real": ("real", "true"), "fake": ("fake", "fakes", "generated")}
_CRITIC = ("c", "critic")
_NOISE = ("binary", "mean", "train")


@dataclass(frozen=True, slots=True)
class SignalNames:
    """The log key of each signal.

    Args:
        keys: canonical signal to log key.
        critic: whether a key names a critic, whose objective is not cross-entropy.
    """

    keys: Mapping[str, str]
    critic: bool = False


def recognise_names(names: Iterable[str], given: Mapping[str, str] | None = None) -> SignalNames:
    """Find the canonical signals among the names of a log.

    Recognised are the names of the Keras documentation (``d_loss, g_loss``); of D. Foster,
    "Generative Deep Learning", 2nd edition, 2023 (``d_loss, d_acc, d_real_acc, d_fake_acc, g_loss,
    g_acc``, and ``c_loss`` next to ``c_wass_loss`` and ``c_gp``); and ``disc_loss``,
    ``discriminator_loss``, ``D_loss``, ``lossD`` and their real and fake halves. Names that begin
    with ``val`` or ``test`` belong to other data and are never used.

    Args:
        names: the keys of a log dictionary or the columns of a file.
        given: canonical signal to log key, for names that are not recognised; takes precedence.

    Raises:
        InputError: ``given`` names an unknown signal or a missing key, or no signal is found.

    >>> recognise_names(["disc_loss", "gen_loss", "val_disc_loss"]).keys
    {'d_loss': 'disc_loss', 'g_loss': 'gen_loss'}
    """
    names = list(names)
    found: dict[str, str] = {}
    for name in names:
        signal = _signal_of(name)
        if signal is not None and (signal not in found or name == signal):
            found[signal] = name
    for signal, name in (given or {}).items():
        if signal not in SIGNALS:
            raise InputError(
                f"signals: {signal!r} is not a signal. Use one of: {', '.join(SIGNALS)}."
            )
        if name not in names:
            raise InputError(
                f"signals: no logged number is named {name!r}. "
                f"Received: {', '.join(names) or 'none'}."
            )
        found[signal] = name
    if not found:
        raise InputError(
            f"no GAN signals found among: {', '.join(names) or 'none'}. Name them, for "
            f"example signals={{'d_loss': 'my_name'}} or --signal d_loss=my_name "
            f"(signals: {', '.join(SIGNALS)})."
        )
    critic = any(set(_CRITIC) & set(_words(found[s])) for s in found if s.startswith("d_"))
    ordered = {signal: found[signal] for signal in SIGNALS if signal in found}
    return SignalNames(ordered, critic)


def _words(name: str) -> list[str]:
    """Split a name into lower-case words: ``"lossD_real"`` into ``["loss", "d", "real"]``."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[^a-z0-9]+", split.lower()) if word]


def _signal_of(name: str) -> str | None:
    """The canonical signal of a name; None if it is not recognised."""
    words = _words(name)
    if not words or words[0] in ("val", "test"):
        return None
    parts: dict[str, str] = {}
    for word in words:
        if word in _NOISE:
            continue
        for part, table in (("network", _NETWORKS), ("what", _QUANTITIES), ("half", _HALVES)):
            match = next((key for key, spellings in table.items() if word in spellings), None)
            if match is not None and part not in parts:
                parts[part] = match
                break
        else:
            return None
    signal = "_".join(parts[p] for p in ("network", "what", "half") if p in parts)
    return signal if signal in SIGNALS else None
