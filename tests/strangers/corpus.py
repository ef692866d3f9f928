"""What a stranger's program is: how it declares itself, what it is given, and what it returns."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
BACKENDS = ("tensorflow", "jax", "torch")
FAULTS: Mapping[str, tuple[str, str]] = {
    "leak": ("discriminator_leak", "G's step updates D as well"),
    "g_leak": ("generator_leak", "D's step updates G as well"),
    "d_frozen": ("discriminator_frozen", "D.trainable is False and stays so"),
    "g_frozen": ("generator_frozen", "G.trainable is False and stays so"),
    "d_rate_zero": ("discriminator_frozen", "D's learning rate is 0"),
    "g_rate_zero": ("generator_frozen", "G's learning rate is 0"),
    "g_cut": ("generator_frozen", "no gradient reaches G"),
    "freeze_and_leave": ("discriminator_frozen", "D is frozen for the combined model and stays so"),
    "freeze_and_undo": ("discriminator_leak", "D is frozen, combined compiled, D released again"),
    "never_frozen": ("discriminator_leak", "D is never frozen for G's step"),
    "one_optimizer": ("shared_optimizer", "one optimizer instance for both networks"),
    "one_label": ("discriminator_objective", "D gets one label for real and for fake samples"),
    "g_label": ("generator_objective", "G is trained towards the label of fakes"),
    "bytes": ("range_mismatch", "the data are bytes, G ends in tanh or sigmoid"),
    "wrong_range": ("range_mismatch", "the data lie in [-1, 1], G ends in a sigmoid"),
    "sigmoid_twice": ("loss_activation_mismatch", "D ends in a sigmoid, from_logits=True"),
    "no_sigmoid": ("loss_activation_mismatch", "D ends without a sigmoid, from_logits=False"),
    "mixed_batch": ("mixed_batchnorm", "real and fake rows in one batch of a D with batch norm"),
    "recompiled": ("recompiled", "compile() is called in the loop"),
    "frozen_norm": ("batchnorm_mismatch", "D has batch norm and is frozen in G's step"),
    "no_labels": ("labels_ignored", "G's output does not depend on its label"),
    "cold_start": ("", "G's rate is 100 times too high: its samples turn to one frame"),
}
"""Fault: the kind that must be found, and the fault in words. ``cold_start`` has no wiring fault:
only a verdict of healthy would be wrong."""


class Watch:
    """The monitor in a stranger's hands; without one the program trains unwatched.

    Args:
        monitor: a `CollapseMonitor`, or None.
    """

    def __init__(self, monitor: Any = None) -> None:
        self._monitor = monitor

    @property
    def callbacks(self) -> list[Any]:
        """For ``fit(callbacks=...)``."""
        return [] if self._monitor is None else [self._monitor]

    @contextlib.contextmanager
    def watching(self, **networks: Any) -> Iterator[None]:
        """As ``CollapseMonitor.watching``."""
        if self._monitor is None:
            yield
            return
        with self._monitor.watching(**networks):
            yield

    def update(self, **signals: Any) -> None:
        """As ``CollapseMonitor.update``."""
        if self._monitor is not None:
            self._monitor.update(**signals)


@dataclass(frozen=True, eq=False)
class Trained:
    """What a program leaves.

    Args:
        models: its networks, whose weights are compared with those of an unwatched run.
        draw: returns n samples of G, (n, *shape), and their labels or None.
        real: the data as D is shown them, (n, *shape).
        labels: their classes, or None.
        optimizers: theirs, whose state is compared as well.
    """

    models: Sequence[Any]
    draw: Callable[[int], tuple[np.ndarray, np.ndarray | None]]
    real: np.ndarray
    labels: np.ndarray | None = None
    optimizers: Sequence[Any] = ()


def from_noise(generator: Any, size: int) -> Callable[[int], tuple[np.ndarray, None]]:
    """A ``draw`` for a generator of Gaussian noise; it uses no random state of the program."""

    def draw(count: int) -> tuple[np.ndarray, None]:
        noise = np.random.default_rng(3).standard_normal((count, size)).astype("float32")
        return as_numpy(generator(noise, training=False)), None

    return draw


def as_numpy(tensor: Any) -> np.ndarray:
    """A tensor of any backend as float32."""
    tensor = tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
    return np.asarray(tensor).astype("float32")


Program = Callable[[Watch, "str | None", int], Trained]


@dataclass(frozen=True, eq=False)
class Stranger:
    """One program.

    Args:
        name: of its function.
        family: whose habits it has.
        train: trains it: ``train(watch, fault, steps)``.
        way: how it is watched: ``fit``, ``train_on_batch`` or ``update``.
        room: the folder it is kept in.
        steps: training steps (of G) that it takes.
        faults: name of a fault to the kinds that must be found.
        backends: those that it runs on.
    """

    name: str
    family: str
    train: Program
    way: str
    room: str
    steps: int
    faults: Mapping[str, frozenset[str]] = field(default_factory=dict)
    backends: tuple[str, ...] = BACKENDS


CORPUS: dict[str, Stranger] = {}


def stranger(
    family: str,
    way: str,
    faults: str = "",
    backends: str = "tensorflow jax torch",
    steps: int = 120,
    also: Mapping[str, str] | None = None,
) -> Callable[[Program], Program]:
    """Register a program.

    Args:
        family, way, steps: see `Stranger`.
        faults: names of `FAULTS`, separated by spaces.
        backends: names, separated by spaces.
        also: faults with other kinds than `FAULTS` gives them.
    """

    def register(train: Program) -> Program:
        name = train.__name__
        if name in CORPUS:
            raise ValueError(f"Two programs are called {name!r}.")
        kinds = {one: frozenset(filter(None, [FAULTS[one][0]])) for one in faults.split()}
        kinds |= {one: frozenset(more.split()) for one, more in (also or {}).items()}
        room = Path(train.__code__.co_filename).parent.name
        CORPUS[name] = Stranger(
            name, family, train, way, room, steps, kinds, tuple(backends.split())
        )
        return train

    return register


def load() -> Mapping[str, Stranger]:
    """All programs that this process' backend can import, by name."""
    sys.modules.setdefault("corpus", sys.modules[__name__])
    for path in sorted((HERE / "programs").rglob("*.py")):
        name = f"strangers_{path.parent.name}_{path.stem}"
        if name in sys.modules:
            continue
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return CORPUS
