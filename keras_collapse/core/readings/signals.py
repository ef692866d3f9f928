"""The canonical signal names of a GAN, and their recognition among log keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
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
    "d": ("d", "dis", "disc", "discriminator", "c", "crit", "critic", "w", "wass", "wasserstein"),
    "g": ("g", "gen", "generator", "adv", "adversarial"),
}
_QUANTITIES = {"loss": ("loss", "err"), "acc": ("acc", "accuracy")}
_HALVES = {"real": ("real", "true"), "fake": ("fake", "fakes", "generated")}
_NOISE = ("binary", "mean", "train", "total", "bce", "hinge", "lsgan")
_WEAK = ("w", "wass", "wasserstein", "adv", "adversarial")  # a part of a loss, if there is another
_PAIRS = ("a", "b", "x", "y", "ab", "ba", "xy", "yx")
_OBJECTIVES = {
    "wasserstein": ("c", "crit", "critic", "w", "wass", "wasserstein", "wgan"),
    "hinge": ("hinge",),
    "least_squares": ("lsgan",),
}
_OTHER_DATA = ("val", "test")
MOST_NAMES, MOST_LETTERS = 24, 60
"""Names in a message, and letters of each."""


@dataclass(frozen=True, slots=True)
class SignalNames:
    """The log key of each signal.

    Args:
        keys: canonical signal to log key.
        objective: the objective that a name of D tells, such as ``"wasserstein"`` of a critic's;
            None if none does.
        questions: what was left out since its name may mean several things, and how to name it.
    """

    keys: Mapping[str, str]
    objective: str | None = None
    questions: Sequence[str] = ()


def recognise_names(names: Iterable[str], given: Mapping[str, str] | None = None) -> SignalNames:
    """Find the canonical signals among the names of a log.

    Recognised are the names of the Keras documentation (``d_loss, g_loss``); of D. Foster,
    "Generative Deep Learning", 2nd edition, 2023 (``d_loss, d_acc, d_real_acc, d_fake_acc, g_loss,
    g_acc``, and ``c_loss`` next to ``c_wass_loss`` and ``c_gp``); and ``disc_loss``,
    ``discriminator_loss``, ``D_loss``, ``lossD``, ``errD``, ``real_acc``, ``adv_loss`` and their
    real and fake halves. Names that begin with ``val`` or ``test`` belong to other data and are
    never used. ``gen_acc`` is G's accuracy next to ``disc_acc``, D's on fakes next to ``real_acc``,
    and a question elsewhere.

    Args:
        names: the keys of a log dictionary or the columns of a file.
        given: canonical signal to log key, for names that are not recognised; takes precedence.

    Raises:
        InputError: ``given`` names an unknown signal or a missing key, no signal is found, or the
            names are of several pairs of networks.

    >>> recognise_names(["disc_loss", "gen_loss", "val_disc_loss"]).keys
    {'d_loss': 'disc_loss', 'g_loss': 'gen_loss'}
    """
    names, given = list(names), given or {}
    words = {name: _words(name) for name in names if name not in given.values()}
    found: dict[str, str] = {}
    for name in sorted(words, key=lambda name: bool(set(_WEAK) & set(words[name]))):
        signal = _signal_of(words[name])
        if signal is not None and (signal not in found or name == signal):
            found[signal] = name
    questions = _resolve(found, words, given)
    for signal, name in given.items():
        if signal not in SIGNALS:
            raise InputError(
                f"signals: {signal!r} is not a signal. Use one of: {', '.join(SIGNALS)}."
            )
        if name not in names:
            raise InputError(
                f"signals: no logged number is named {name!r}. Received: {listed(names)}."
            )
        found[signal] = name
    pairs = [name for name in words if _is_of_pair(words[name])]
    if pairs and not any(signal.startswith("d_") for signal in found):
        raise InputError(
            f"these are the numbers of several pairs of networks: {listed(pairs)}. Name those "
            f"of one pair, as in signals={{'d_loss': {pairs[0]!r}, 'g_loss': ...}} or --signal "
            f"d_loss={pairs[0]}."
        )
    if not found:
        asked = f" {' '.join(questions)}" if questions else ""
        raise InputError(
            f"no GAN signals found among: {listed(names)}. Name them, for "
            f"example signals={{'d_loss': 'my_name'}} or --signal d_loss=my_name "
            f"(signals: {', '.join(SIGNALS)}).{asked}"
        )
    ordered = {signal: found[signal] for signal in SIGNALS if signal in found}
    return SignalNames(ordered, _objective_of(ordered), questions)


def listed(names: Sequence[str]) -> str:
    """Names for a message: the first ones, each cut to a length that a line can hold.

    >>> listed(["loss", "mae"]), listed([])
    ('loss, mae', 'none')
    """
    shown = [name if len(name) <= MOST_LETTERS else f"{name[:MOST_LETTERS]}…" for name in names]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return (", ".join(shown[:MOST_NAMES]) or "none") + more


def _words(name: str) -> list[str]:
    """Split a name into lower-case words: ``"lossD_real"`` into ``["loss", "d", "real"]``."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[^a-z0-9]+", split.lower()) if word]


def _parts_of(words: Sequence[str]) -> dict[str, str] | None:
    """The parts of a name and what each one is; None if a word is of no part."""
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
    return parts


def _signal_of(words: Sequence[str]) -> str | None:
    """The canonical signal of a name; None if it is not recognised."""
    parts = _parts_of(words) if words and words[0] not in _OTHER_DATA else None
    if not parts:
        return None
    if "half" in parts:  # only D has halves
        parts = {"network": "d", **parts}
    signal = "_".join(parts[p] for p in ("network", "what", "half") if p in parts)
    return signal if signal in SIGNALS else None


def _resolve(
    found: dict[str, str], words: Mapping[str, Sequence[str]], given: Mapping[str, str]
) -> list[str]:
    """Decide what the other names tell of ambiguous ones; return questions about the rest."""
    questions = []
    name = found.get("g_acc")
    if name is not None and "gen" in words[name] and "d_acc" not in {*found, *given}:
        del found["g_acc"]
        real = found.get("d_acc_real")
        if real is not None and not set(_NETWORKS["d"]) & set(words[real]):
            found.setdefault("d_acc_fake", name)
        elif not {"g_acc", "d_acc_fake"} & given.keys():
            questions.append(_question(name, "g_acc", "d_acc_fake"))
    for name, parts in ((n, _parts_of(w)) for n, w in words.items()):
        if parts and parts.keys() == {"network", "half"} and words[name][0] not in _OTHER_DATA:
            half = parts["half"]
            if not {f"d_loss_{half}", f"d_acc_{half}"} & given.keys():
                questions.append(_question(name, f"d_loss_{half}", f"d_acc_{half}"))
    return questions


def _question(name: str, one: str, other: str) -> str:
    return (
        f"{name!r} is not used: it may be {one} or {other}. Say which, with "
        f"signals={{{one!r}: {name!r}}} or --signal {one}={name}."
    )


def _is_of_pair(words: Sequence[str]) -> bool:
    """Whether a name is of one of several Ds, as ``D_X_loss`` is."""
    rest = [word for word in words if word not in _PAIRS]
    return len(rest) == len(words) - 1 and (_signal_of(rest) or "").startswith("d_")


def _objective_of(keys: Mapping[str, str]) -> str | None:
    words = {word for signal, key in keys.items() if signal[0] == "d" for word in _words(key)}
    return next((name for name, known in _OBJECTIVES.items() if words & set(known)), None)
