"""The canonical names of a GAN's numbers, and how to recognise them in anyone's logs."""

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
"""The numbers of a reading. ``*_acc`` in [0, 1]; ``g_acc`` is the share of G's samples that D
calls real, as in the book's combined model."""

# The words of each name, as people spell them; a name is recognised when all of its words are.
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
    """Which log key holds which signal.

    Args:
        keys: canonical signal to log key.
        critic: the discriminator is called a critic, so its objective is no cross-entropy.
    """

    keys: Mapping[str, str]
    critic: bool = False


def recognise_names(names: Iterable[str], given: Mapping[str, str] | None = None) -> SignalNames:
    """Find the canonical signals among the names of a log.

    Known by default: the Keras documentation's ``d_loss, g_loss``; the book's second edition
    (``d_loss, d_acc, d_real_acc, d_fake_acc, g_loss, g_acc``, and ``c_loss`` beside
    ``c_wass_loss`` and ``c_gp``); ``disc_loss``, ``discriminator_loss``, ``D_loss``,
    ``lossD`` and their real and fake halves. Names beginning with ``val_`` are of another
    data set and never taken.

    Args:
        names: the keys of a log dictionary or the columns of a file.
        given: canonical signal to log key, for names not recognised; overrides the default.

    Raises:
        InputError: a given name is no signal or not there, or nothing fits.

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
            raise InputError(f"signals: {signal!r} is no signal. Use these: {', '.join(SIGNALS)}.")
        if name not in names:
            raise InputError(
                f"signals: no number is called {name!r}. Received: {', '.join(names) or 'none'}."
            )
        found[signal] = name
    if not found:
        raise InputError(
            f"no GAN signal recognised among: {', '.join(names) or 'none'}. Name them, for "
            f"example signals={{'d_loss': 'my_name'}} or --signal d_loss=my_name "
            f"(signals: {', '.join(SIGNALS)})."
        )
    critic = any(set(_CRITIC) & set(_words(found[s])) for s in found if s.startswith("d_"))
    ordered = {signal: found[signal] for signal in SIGNALS if signal in found}
    return SignalNames(ordered, critic)


def _words(name: str) -> list[str]:
    """``"lossD_real"`` to ``["loss", "d", "real"]``."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[^a-z0-9]+", split.lower()) if word]


def _signal_of(name: str) -> str | None:
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
