"""The same GAN fed with arrays, Python generators, PyDatasets, DataLoaders and points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import images
import keras
import numpy as np
from corpus import Trained, Watch, stranger
from multibackend import fitted

COUNT = 960
FAULTS = "leak one_label g_label bytes"


def drawings(fault: str | None) -> np.ndarray:
    floats = images.drawings(COUNT, "apple").astype("float32")
    return floats if fault == "bytes" else floats / 127.5 - 1.0


@stranger(
    "arrays, shuffled by fit",
    "fit",
    f"{FAULTS} d_rate_zero g_rate_zero sigmoid_twice cold_start",
    steps=300,
)
def pipeline_arrays(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = drawings(fault)
    return fitted(watch, fault, data, data, steps // 30, batch_size=32)


@stranger("a Python generator and steps_per_epoch", "fit", FAULTS, steps=120)
def pipeline_generator(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = drawings(fault)

    def batches() -> Iterator[Any]:
        rng = np.random.default_rng(0)
        while True:
            yield (data[rng.integers(0, len(data), 32)],)

    return fitted(watch, fault, batches(), data, 4, steps_per_epoch=steps // 4)


class Shards(keras.utils.PyDataset):
    """Reads a batch of files at a time; shuffles its order after each epoch."""

    def __init__(self, data: np.ndarray, **how: Any) -> None:
        super().__init__(**how)
        self.data, self.order = data, np.arange(len(data))
        self.random = np.random.default_rng(1)

    def __len__(self) -> int:
        return len(self.data) // 32

    def __getitem__(self, index: int) -> Any:
        rows = self.order[index * 32 : (index + 1) * 32]
        return self.data[rows], np.zeros(len(rows))

    def on_epoch_end(self) -> None:
        self.random.shuffle(self.order)


@stranger("a PyDataset with workers", "fit", FAULTS, steps=120)
def pipeline_pydataset(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = drawings(fault)
    shards = Shards(data, workers=2, use_multiprocessing=False, max_queue_size=4)
    return fitted(watch, fault, shards, data, steps // 30, shuffle=False)


@stranger("a PyTorch DataLoader", "fit", FAULTS, steps=120)
def pipeline_dataloader(watch: Watch, fault: str | None, steps: int) -> Trained:
    import torch

    data = drawings(fault)
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(data))
    order = torch.Generator().manual_seed(0)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=32, shuffle=True, drop_last=True, generator=order
    )
    return fitted(watch, fault, loader, data, steps // 30)


@stranger("two fits, the second continues the first", "fit", "leak g_label", steps=300)
def pipeline_continued(watch: Watch, fault: str | None, steps: int) -> Trained:
    from corpus import from_noise
    from multibackend import LATENT_DIM, gan_of

    data = drawings(fault)
    gan = gan_of(fault)
    half = steps // 60
    gan.fit(data, batch_size=32, epochs=half, callbacks=watch.callbacks, verbose=0)
    gan.fit(
        data, batch_size=32, initial_epoch=half, epochs=2 * half, callbacks=watch.callbacks,
        verbose=0,
    )  # fmt: skip
    return Trained([gan.generator, gan.discriminator], from_noise(gan.generator, LATENT_DIM), data)


@stranger("points on a ring, arrays", "fit", "leak one_label g_label d_rate_zero", steps=600)
def ring_points(watch: Watch, fault: str | None, steps: int) -> Trained:
    points = images.ring(3200)
    return fitted(watch, fault, points, points, steps // 50, batch_size=64)
