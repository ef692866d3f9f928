"""A short ``train_step`` GAN on TensorFlow, as people write it for settings of their own."""

# ruff: noqa: B905
from __future__ import annotations

from typing import Any

import images
import keras
import numpy as np
import tensorflow as tf
from corpus import Trained, Watch, from_noise, stranger
from keras import layers

NOISE_DIM = 16


def generator_model(last: str = "tanh") -> keras.Sequential:
    model = keras.Sequential(name="generator")
    model.add(keras.Input((NOISE_DIM,)))
    model.add(layers.Dense(4 * 4 * 16, use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.LeakyReLU())
    model.add(layers.Reshape((4, 4, 16)))
    model.add(layers.Conv2DTranspose(8, 5, strides=2, padding="same", use_bias=False))
    model.add(layers.BatchNormalization())
    model.add(layers.LeakyReLU())
    model.add(layers.Conv2DTranspose(1, 5, strides=2, padding="same", dtype="float32"))
    model.add(layers.Activation(last, dtype="float32"))
    return model


def discriminator_model() -> keras.Sequential:
    model = keras.Sequential(name="discriminator")
    model.add(keras.Input((16, 16, 1)))
    model.add(layers.Conv2D(8, 5, strides=2, padding="same"))
    model.add(layers.LeakyReLU())
    model.add(layers.Dropout(0.3))
    model.add(layers.Conv2D(16, 5, strides=2, padding="same"))
    model.add(layers.LeakyReLU())
    model.add(layers.Flatten())
    model.add(layers.Dense(1, dtype="float32"))
    return model


class SimpleGAN(keras.Model):
    """``gen`` and ``disc``, one batch at a time, raw tensors as logs."""

    def __init__(self, gen: Any, disc: Any, fault: str | None = None) -> None:
        super().__init__()
        self.gen, self.disc, self.fault = gen, disc, fault
        self.noise_dim = NOISE_DIM

    def compile(self, gen_opt: Any, disc_opt: Any, **kwargs: Any) -> None:
        super().compile(**kwargs)
        self.gen_opt, self.disc_opt = gen_opt, disc_opt
        self.bce = keras.losses.BinaryCrossentropy(from_logits=True)

    def call(self, z: Any, training: bool = False) -> Any:
        return self.gen(z, training=training)

    def _scaled(self, optimizer: Any, loss: Any) -> Any:
        return optimizer.scale_loss(loss) if hasattr(optimizer, "scale_loss") else loss

    def train_step(self, x: Any) -> dict[str, Any]:
        z = tf.random.normal((tf.shape(x)[0], NOISE_DIM))
        with tf.GradientTape() as gt, tf.GradientTape() as dt:
            fake = self.gen(z, training=True)
            real_out, fake_out = self.disc(x, training=True), self.disc(fake, training=True)
            target = tf.ones_like if self.fault == "one_label" else tf.zeros_like
            d_loss = self.bce(tf.ones_like(real_out), real_out) + self.bce(
                target(fake_out), fake_out
            )
            wanted = tf.zeros_like if self.fault == "g_label" else tf.ones_like
            g_loss = self.bce(wanted(fake_out), fake_out)
            scaled_g = self._scaled(self.gen_opt, g_loss)
            scaled_d = self._scaled(self.disc_opt, d_loss)
        g_vars, d_vars = self.gen.trainable_variables, self.disc.trainable_variables
        if self.fault == "leak":
            g_vars = g_vars + d_vars
        g_opt = self.disc_opt if self.fault == "one_optimizer" else self.gen_opt
        g_opt.apply_gradients(zip(gt.gradient(scaled_g, g_vars), g_vars))
        self.disc_opt.apply_gradients(zip(dt.gradient(scaled_d, d_vars), d_vars))
        return {"gen_loss": g_loss, "disc_loss": d_loss}


def drawings(fault: str | None, count: int = 32 * 30) -> np.ndarray:
    raw = images.drawings(count).astype("float32")
    return raw if fault == "bytes" else (raw - 127.5) / 127.5


def rates(fault: str | None, **how: Any) -> dict[str, Any]:
    adam = keras.optimizers.Adam
    g_rate = {"g_rate_zero": 0.0, "cold_start": 0.1}.get(fault or "", 1e-3)
    return {
        "gen_opt": adam(g_rate, beta_1=0.5, **how),
        "disc_opt": adam(0.0 if fault == "d_rate_zero" else 3e-4, beta_1=0.5, **how),
    }


@stranger(
    "two tapes, gen and disc, arrays",
    "fit",
    "leak one_label g_label bytes d_rate_zero g_rate_zero cold_start",
    backends="tensorflow",
    steps=600,
)
def two_tapes(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = drawings(fault)
    gan = SimpleGAN(generator_model(), discriminator_model(), fault)
    gan.compile(**rates(fault))
    gan.fit(data, batch_size=32, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([gan.gen, gan.disc], from_noise(gan.gen, NOISE_DIM), data)


@stranger(
    "mixed precision with loss scaling",
    "fit",
    "leak g_label bytes",
    backends="tensorflow",
)
def mixed_precision(watch: Watch, fault: str | None, steps: int) -> Trained:
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        data = drawings(fault)
        gan = SimpleGAN(generator_model(), discriminator_model(), fault)
        scaled = {
            name: keras.mixed_precision.LossScaleOptimizer(one)
            for name, one in rates(fault).items()
        }
        gan.compile(**scaled)
        gan.fit(data, batch_size=32, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    finally:
        keras.mixed_precision.set_global_policy(before)
    return Trained([gan.gen, gan.disc], from_noise(gan.gen, NOISE_DIM), data)


@stranger(
    "gradient accumulation over two batches",
    "fit",
    "leak g_label g_rate_zero",
    backends="tensorflow",
)
def gradient_accumulation(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = drawings(fault)
    gan = SimpleGAN(generator_model(), discriminator_model(), fault)
    gan.compile(**rates(fault, gradient_accumulation_steps=2))
    gan.fit(data, batch_size=16, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([gan.gen, gan.disc], from_noise(gan.gen, NOISE_DIM), data)


@stranger(
    "tf.distribute.MirroredStrategy on two logical devices",
    "fit",
    "leak g_label",
    backends="tensorflow",
)
def mirrored(watch: Watch, fault: str | None, steps: int) -> Trained:
    cpu = tf.config.list_physical_devices("CPU")[0]
    if tf.config.get_logical_device_configuration(cpu) is None:  # the first run of this process
        half = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [half, half])
    data = drawings(fault)
    one_device = tf.distribute.ReductionToOneDevice()  # NCCL's default needs GPUs
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=one_device)
    with strategy.scope():
        gan = SimpleGAN(generator_model(), discriminator_model(), fault)
        gan.build((None, NOISE_DIM))
        gan.compile(**rates(fault), jit_compile=False)
    dataset = tf.data.Dataset.from_tensor_slices(data).shuffle(960).batch(32, drop_remainder=True)
    gan.fit(dataset, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([gan.gen, gan.disc], from_noise(gan.gen, NOISE_DIM), data)


class Painter(keras.Model):
    """A subclassed generator that nobody builds before ``fit``."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = layers.Dense(4 * 4 * 16)
        self.bn = layers.BatchNormalization()
        self.up1 = layers.Conv2DTranspose(8, 4, strides=2, padding="same", activation="relu")
        self.up2 = layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh")

    def call(self, z: Any, training: bool = False) -> Any:
        h = tf.nn.relu(self.bn(self.fc(z), training=training))
        return self.up2(self.up1(tf.reshape(h, (-1, 4, 4, 16))))


class Judge(keras.Model):
    """A subclassed discriminator that nobody builds before ``fit``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = layers.Conv2D(8, 4, strides=2, padding="same")
        self.conv2 = layers.Conv2D(16, 4, strides=2, padding="same")
        self.drop = layers.Dropout(0.3)
        self.out = layers.Dense(1)

    def call(self, x: Any, training: bool = False) -> Any:
        h = tf.nn.leaky_relu(self.conv1(x), 0.2)
        h = tf.nn.leaky_relu(self.conv2(h), 0.2)
        return self.out(self.drop(tf.reshape(h, (-1, 4 * 4 * 16)), training=training))


@stranger(
    "subclassed networks, never built before fit",
    "fit",
    "leak one_label g_label bytes g_rate_zero",
    backends="tensorflow",
)
def subclassed(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = drawings(fault)
    gan = SimpleGAN(Painter(), Judge(), fault)
    gan.compile(**rates(fault))
    gan.fit(data, batch_size=32, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([gan.gen, gan.disc], from_noise(gan.gen, NOISE_DIM), data)
