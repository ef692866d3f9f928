"""One GAN and every kind of ``tf.data`` pipeline, on all three backends."""

from __future__ import annotations

import images
import numpy as np
import tensorflow as tf
from corpus import Trained, Watch, stranger
from multibackend import fitted

COUNT = 960
FAULTS = "leak g_label bytes"
slices = tf.data.Dataset.from_tensor_slices


def raw() -> np.ndarray:
    return images.drawings(COUNT, "bicycle")


def seen(fault: str | None) -> np.ndarray:
    """The data as D is shown them."""
    floats = raw().astype("float32")
    return floats if fault == "bytes" else floats / 127.5 - 1.0


def scaled(fault: str | None, x: tf.Tensor) -> tf.Tensor:
    floats = tf.cast(x, "float32")
    return floats if fault == "bytes" else floats / 127.5 - 1.0


def trained(
    watch: Watch, fault: str | None, pipeline: tf.data.Dataset, steps: int, **how: int
) -> Trained:
    epochs = how.pop("epochs", max(1, steps // 30))
    return fitted(watch, fault, pipeline, seen(fault), epochs, **how)


@stranger("tf.data: shuffle, batch, prefetch", "fit", FAULTS, steps=300)
def pipeline_shuffle(watch: Watch, fault: str | None, steps: int) -> Trained:
    pipeline = slices(seen(fault)).shuffle(COUNT).batch(32, drop_remainder=True).prefetch(2)
    return trained(watch, fault, pipeline, steps)


@stranger("tf.data: map in parallel, cache", "fit", FAULTS, steps=120)
def pipeline_map(watch: Watch, fault: str | None, steps: int) -> Trained:
    pipeline = slices(raw()).map(lambda x: scaled(fault, x), num_parallel_calls=tf.data.AUTOTUNE)
    pipeline = pipeline.cache().shuffle(COUNT).batch(32, drop_remainder=True)
    return trained(watch, fault, pipeline.prefetch(tf.data.AUTOTUNE), steps)


@stranger("tf.data: take", "fit", FAULTS, steps=120)
def pipeline_take(watch: Watch, fault: str | None, steps: int) -> Trained:
    pipeline = slices(seen(fault)).shuffle(COUNT).batch(32, drop_remainder=True).take(20)
    return trained(watch, fault, pipeline, steps, epochs=steps // 20)


@stranger("tf.data: skip, the validation images before", "fit", FAULTS, steps=120)
def pipeline_skip(watch: Watch, fault: str | None, steps: int) -> Trained:
    pipeline = slices(seen(fault)).skip(320).batch(32, drop_remainder=True)
    return trained(watch, fault, pipeline, steps, epochs=steps // 20)


@stranger("tf.data: repeat with steps_per_epoch", "fit", FAULTS, steps=120)
def pipeline_repeat(watch: Watch, fault: str | None, steps: int) -> Trained:
    pipeline = slices(seen(fault)).shuffle(COUNT, seed=3).repeat().batch(32)
    return trained(watch, fault, pipeline, steps, epochs=4, steps_per_epoch=steps // 4)


@stranger("tf.data: interleave of shards", "fit", FAULTS, steps=120)
def pipeline_interleave(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = seen(fault)
    shards = tf.data.Dataset.range(4)
    pipeline = shards.interleave(
        lambda i: slices(data).shard(4, i), cycle_length=2, deterministic=True
    )
    return trained(watch, fault, pipeline.batch(32, drop_remainder=True), steps)


@stranger("tf.data: from_generator", "fit", FAULTS, steps=120)
def pipeline_from_generator(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = seen(fault)

    def read_images():
        for i in np.random.permutation(len(data)):
            yield data[i]

    pipeline = tf.data.Dataset.from_generator(
        read_images, output_signature=tf.TensorSpec((16, 16, 1), tf.float32)
    )
    return trained(watch, fault, pipeline.batch(32, drop_remainder=True), steps)


@stranger("tf.data: augmentation by random flips and shifts", "fit", FAULTS, steps=120)
def pipeline_augmentation(watch: Watch, fault: str | None, steps: int) -> Trained:
    def augment(x: tf.Tensor) -> tf.Tensor:
        x = tf.image.random_flip_left_right(scaled(fault, x))
        shift = tf.random.uniform((), -1, 2, "int32")
        return tf.roll(x, shift, 0)

    pipeline = slices(raw()).shuffle(COUNT).map(augment).batch(32, drop_remainder=True)
    return trained(watch, fault, pipeline, steps)


@stranger("tf.data: unbatch and rebatch, images with unused labels", "fit", FAULTS, steps=120)
def pipeline_unbatched(watch: Watch, fault: str | None, steps: int) -> Trained:
    labels = np.arange(COUNT) % 5
    pipeline = slices((raw(), labels)).batch(100).unbatch().shuffle(200).batch(32, True)
    pipeline = pipeline.map(lambda x, label: (scaled(fault, x), label))
    return trained(watch, fault, pipeline, steps)


@stranger("tf.data: bucketed by label, batches of several sizes", "fit", "leak g_label", steps=90)
def pipeline_bucketed(watch: Watch, fault: str | None, steps: int) -> Trained:
    pipeline = slices(seen(fault)[:600])
    small, large = pipeline.take(200).batch(20), pipeline.skip(200).batch(40)
    return trained(watch, fault, small.concatenate(large), steps, epochs=steps // 20)


@stranger("several steps an execution", "fit", FAULTS, backends="tensorflow jax", steps=300)
def steps_per_execution(watch: Watch, fault: str | None, steps: int) -> Trained:
    pipeline = slices(seen(fault)).shuffle(COUNT).batch(32, drop_remainder=True)
    return trained(watch, fault, pipeline, steps, steps_per_execution=5)
