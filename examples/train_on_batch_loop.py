"""A widely copied ``train_on_batch`` loop for GANs, with its wiring fault and with the fix.

    python examples/train_on_batch_loop.py           # finds discriminator_leak in the first step
    python examples/train_on_batch_loop.py --cure    # with the fix, two lines

Keras 2 used the value of ``trainable`` at compile time. Keras 3 reads it when a step first runs.
D is trainable again by then, so G's step trains D too. The table at the end shows how running
means hide this.

The fix freezes D's weights for G's step, and not D itself: a frozen D runs its batch norm, if it
has any, in inference mode, and G is then trained against another D than the one that learns.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import quickdraw
from camel_gan import LATENT_DIM, build_discriminator, build_generator

import keras_collapse as kc
from keras_collapse.sources import read

WIDTH = 0.25
LAST_STEPS = 50

# Label, log key, and log key of the running mean: before 3.15, Keras had one running mean for D's
# real and fake batches, and printed it for both.
ROWS = (
    ("D loss", "d_loss", "d_loss"),
    ("D accuracy", "d_acc", "d_acc"),
    ("  on real", "d_acc_real", "d_acc"),
    ("  on fake", "d_acc_fake", "d_acc"),
    ("G loss", "g_loss", "g_loss"),
    ("G accuracy", "g_acc", "g_acc"),
)


def at_full_scale(network: keras.Model) -> keras.Model:
    """Scale the initial weights up to compensate for the narrower layers.

    Units of a narrow network sum over fewer inputs, so that signals would shrink with the standard
    deviation of 0.02 of the original network (D. Foster, *Generative Deep Learning*, 2019).
    """
    for weight in network.trainable_variables:
        if weight.name == "kernel":
            weight.assign(weight * WIDTH**-0.5)
    return network


def set_trainable(weights: Sequence[Any], trainable: bool) -> None:
    """Freeze weights, or release them; their layers' modes stay as they are."""
    for weight in weights:
        weight.trainable = trainable


def train(
    images: np.ndarray,
    monitor: kc.CollapseMonitor,
    steps: int,
    batch_size: int = 64,
    cure: bool = False,
    seed: int = 42,
) -> None:
    """Train on drawings (N, 28, 28, 1), one batch per step, watched by ``monitor``."""
    generator = at_full_scale(build_generator(WIDTH))
    discriminator = at_full_scale(build_discriminator(WIDTH))
    discriminator.compile(
        keras.optimizers.RMSprop(8e-4), loss="binary_crossentropy", metrics=["accuracy"]
    )
    discriminator.trainable = False
    gan = keras.Sequential([keras.Input((LATENT_DIM,)), generator, discriminator])
    gan.compile(keras.optimizers.RMSprop(4e-4), loss="binary_crossentropy", metrics=["accuracy"])
    discriminator.trainable = True
    d_weights = list(discriminator.trainable_weights)

    rng = np.random.default_rng(seed)
    real, fake = np.ones((batch_size, 1), "float32"), np.zeros((batch_size, 1), "float32")
    with monitor.watching(generator=generator, discriminator=discriminator, combined=gan):
        for _ in range(steps):
            latents = rng.standard_normal((batch_size, LATENT_DIM), dtype="float32")
            if cure:
                set_trainable(d_weights, True)
            discriminator.train_on_batch(images[rng.integers(len(images), size=batch_size)], real)
            discriminator.train_on_batch(generator.predict(latents, verbose=0), fake)
            if cure:
                set_trainable(d_weights, False)
            gan.train_on_batch(latents, real)


def table(run_dir: Path) -> str:
    """Return a table of a run's means since its first step, and over its last steps only.

    The journal contains each batch's own numbers, whatever Keras returned.
    """
    logs = [row.logs for row in read(run_dir).rows]
    last = logs[-LAST_STEPS:]
    lines = [f"{'':<12}{'since step 0':>14}{f'last {len(last)} steps':>16}"]
    for name, own, shared in ROWS:
        since = np.mean([log[shared] for log in logs])
        now = np.mean([log[own] for log in last])
        lines.append(f"{name:<12}{since:>14.3f}{now:>16.3f}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Train with the triage guide's loop, with or without its leak."
    )
    parser.add_argument("--data", help=".npy or .npz file of 28x28 drawings")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--cure", action="store_true", help="freeze D's weights in G's step")
    parser.add_argument("--seed", type=int, default=42)
    chosen = parser.parse_args(arguments)
    monitor = kc.CollapseMonitor()
    try:
        if min(chosen.steps, chosen.batch_size) < 1:
            raise ValueError(
                "--steps and --batch-size must be at least 1. "
                f"Received: {chosen.steps} and {chosen.batch_size}"
            )
        kc.seed_everything(chosen.seed)
        drawings = quickdraw.load("camel", chosen.data)
        monitor.open_journal()
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"Drawings: {len(drawings.images):,} from {drawings.source}", flush=True)
    train(drawings.scaled(), monitor, chosen.steps, chosen.batch_size, chosen.cure, chosen.seed)
    print("\nMeans since step 0, as printed by Keras before 3.15, and of the last steps only:")
    print(table(monitor.run_dir))
    return 1 if monitor.verdict.status == "failed" else 0


if __name__ == "__main__":
    raise SystemExit(main())
