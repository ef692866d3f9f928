"""Further habits on TensorFlow: EMA, augmentation, instance noise, smoothing, stages."""

# ruff: noqa: B905
from __future__ import annotations

from typing import Any

import images
import keras
import numpy as np
import tensorflow as tf
from corpus import Trained, Watch, from_noise, stranger
from keras import layers, ops

SIZE = 16


def small_generator(side: int = 16, last: str = "tanh", name: str = "generator") -> keras.Model:
    blocks = [keras.Input((SIZE,)), layers.Dense(4 * 4 * 16), layers.Reshape((4, 4, 16))]
    while 4 * 2 ** ((len(blocks) - 3) // 2) < side:
        blocks += [
            layers.Conv2DTranspose(16, 4, strides=2, padding="same", use_bias=False),
            layers.LeakyReLU(negative_slope=0.2),
        ]
    blocks.append(layers.Conv2D(1, 3, padding="same", activation=last))
    return keras.Sequential(blocks, name=name)


def small_discriminator(side: int = 16, last: str | None = None) -> keras.Model:
    blocks: list[Any] = [keras.Input((side, side, 1))]
    while side > 4:
        blocks += [
            layers.Conv2D(12, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
        ]
        side //= 2
    blocks += [layers.Flatten(), layers.Dense(1, activation=last)]
    return keras.Sequential(blocks, name="discriminator")


class AdaptiveAugmenter(keras.Model):
    """Augments both kinds with a probability that follows D's accuracy on real (ADA)."""

    def __init__(self) -> None:
        super().__init__()
        self.probability = tf.Variable(0.0, trainable=False)
        self.augmenter = keras.Sequential([layers.RandomFlip("horizontal", seed=2)])

    def call(self, x: Any, training: bool = False) -> Any:
        if not training:
            return x
        chosen = tf.random.uniform((tf.shape(x)[0], 1, 1, 1)) < self.probability
        return tf.where(chosen, self.augmenter(x, training=True), x)

    def update(self, real_logits: Any) -> None:
        accuracy = tf.reduce_mean(0.5 * (1.0 + tf.sign(real_logits)))
        self.probability.assign(
            tf.clip_by_value(self.probability + (accuracy - 0.85) / 1000, 0.0, 1.0)
        )


class AdaGAN(keras.Model):
    """The data-efficient GAN: augmenter, moving average of G, names ending in "loss_tracker"."""

    def __init__(self, fault: str | None) -> None:
        super().__init__()
        self.augmenter = AdaptiveAugmenter()
        self.generator = small_generator()
        self.ema_generator = keras.models.clone_model(self.generator)
        self.discriminator = small_discriminator()
        self.generator.summary(print_fn=lambda *_: None)
        self.fault = fault

    def compile(self, generator_optimizer: Any, discriminator_optimizer: Any, **how: Any) -> None:
        super().compile(**how)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.generator_loss_tracker = keras.metrics.Mean(name="g_loss")
        self.discriminator_loss_tracker = keras.metrics.Mean(name="d_loss")
        self.real_accuracy = keras.metrics.BinaryAccuracy(name="real_acc")
        self.generated_accuracy = keras.metrics.BinaryAccuracy(name="gen_acc")
        self.augmentation_probability_tracker = keras.metrics.Mean(name="aug_p")

    @property
    def metrics(self) -> list[Any]:
        return [
            self.generator_loss_tracker,
            self.discriminator_loss_tracker,
            self.real_accuracy,
            self.generated_accuracy,
            self.augmentation_probability_tracker,
        ]

    def generate(self, batch_size: Any, training: bool) -> Any:
        latent_samples = tf.random.normal(shape=(batch_size, SIZE))
        net = self.generator if training else self.ema_generator
        return net(latent_samples, training=training)

    def adversarial_loss(self, real_logits: Any, generated_logits: Any) -> tuple[Any, Any]:
        real_labels = ops.ones_like(real_logits)
        generated_labels = ops.zeros_like(generated_logits)
        wanted = generated_labels if self.fault == "g_label" else real_labels
        of_fakes = real_labels if self.fault == "one_label" else generated_labels
        bce = keras.losses.binary_crossentropy
        generator_loss = bce(wanted, generated_logits, from_logits=True)
        discriminator_loss = bce(
            ops.concatenate([real_labels, of_fakes], axis=0),
            ops.concatenate([real_logits, generated_logits], axis=0),
            from_logits=True,
        )
        return ops.mean(generator_loss), ops.mean(discriminator_loss)

    def train_step(self, real_images: Any) -> dict[str, Any]:
        real_images = self.augmenter(real_images, training=True)
        batch_size = tf.shape(real_images)[0]
        with tf.GradientTape(persistent=True) as tape:
            generated_images = self.augmenter(self.generate(batch_size, True), training=True)
            real_logits = self.discriminator(real_images, training=True)
            generated_logits = self.discriminator(generated_images, training=True)
            generator_loss, discriminator_loss = self.adversarial_loss(
                real_logits, generated_logits
            )
        of_g = self.generator.trainable_weights
        if self.fault == "leak":
            of_g = of_g + self.discriminator.trainable_weights
        self.generator_optimizer.apply_gradients(zip(tape.gradient(generator_loss, of_g), of_g))
        of_d = self.discriminator.trainable_weights
        self.discriminator_optimizer.apply_gradients(
            zip(tape.gradient(discriminator_loss, of_d), of_d)
        )
        self.augmenter.update(real_logits)
        self.generator_loss_tracker.update_state(generator_loss)
        self.discriminator_loss_tracker.update_state(discriminator_loss)
        self.real_accuracy.update_state(1.0, ops.sigmoid(real_logits))
        self.generated_accuracy.update_state(0.0, ops.sigmoid(generated_logits))
        self.augmentation_probability_tracker.update_state(self.augmenter.probability)
        for weight, ema_weight in zip(self.generator.weights, self.ema_generator.weights):
            ema_weight.assign(0.95 * ema_weight + 0.05 * weight)
        return {m.name: m.result() for m in self.metrics}


def two_sided(count: int = 32 * 30) -> np.ndarray:
    return (images.drawings(count, "apple").astype("float32") - 127.5) / 127.5


def adam(rate: float = 2e-4) -> Any:
    return keras.optimizers.Adam(rate, beta_1=0.5)


@stranger(
    "data-efficient GAN: adaptive augmentation, EMA generator",
    "fit",
    "leak one_label g_label",
    backends="tensorflow",
    steps=600,
)
def adaptive_augmentation(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = two_sided()
    model = AdaGAN(fault)
    model.compile(adam(), adam())
    train = tf.data.Dataset.from_tensor_slices(data).shuffle(960).batch(32).prefetch(1)
    model.fit(train, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained(
        [model.generator, model.discriminator, model.ema_generator],
        from_noise(model.ema_generator, SIZE),
        data,
    )


class NoisyGAN(keras.Model):
    """Instance noise on both kinds that fades, one-sided smoothing, several G steps a D step."""

    def __init__(self, generator: Any, critic: Any, fault: str | None, smooth: float = 0.9) -> None:
        super().__init__()
        self.G, self.D = generator, critic
        self.fault, self.smooth, self.z_dim = fault, smooth, SIZE
        self.noise = tf.Variable(0.3, trainable=False, name="instance_noise")

    def compile(self, g_opt: Any, d_opt: Any) -> None:
        super().compile()
        self.g_opt, self.d_opt = g_opt, d_opt
        self.loss_fn = keras.losses.BinaryCrossentropy()

    def _blur(self, x: Any) -> Any:
        return x + self.noise * tf.random.normal(tf.shape(x))

    def train_step(self, data: Any) -> dict[str, Any]:
        n = tf.shape(data)[0]
        fake = self.G(tf.random.normal((n, SIZE)), training=True)
        with tf.GradientTape() as tape:
            p_real = self.D(self._blur(data), training=True)
            p_fake = self.D(self._blur(fake), training=True)
            low = self.smooth if self.fault == "one_label" else 0.0
            d_loss = self.loss_fn(self.smooth * tf.ones_like(p_real), p_real)
            d_loss += self.loss_fn(low * tf.ones_like(p_fake), p_fake)
        weights = self.D.trainable_weights
        self.d_opt.apply_gradients(zip(tape.gradient(d_loss, weights), weights))
        for _ in range(2):
            with tf.GradientTape() as tape:
                fake = self.G(tf.random.normal((n, SIZE)), training=True)
                p = self.D(self._blur(fake), training=True)
                label = 0.0 if self.fault == "g_label" else 1.0
                g_loss = self.loss_fn(label * tf.ones_like(p), p)
            weights = self.G.trainable_weights
            if self.fault == "leak":
                weights = weights + self.D.trainable_weights
            self.g_opt.apply_gradients(zip(tape.gradient(g_loss, weights), weights))
        self.noise.assign(self.noise * 0.995)
        d_acc_real = tf.reduce_mean(tf.cast(p_real > 0.5, "float32"))
        d_acc_fake = tf.reduce_mean(tf.cast(p_fake < 0.5, "float32"))
        return {
            "D_loss": d_loss, "G_loss": g_loss, "D_real_acc": d_acc_real, "D_fake_acc": d_acc_fake,
        }  # fmt: skip


@stranger(
    "instance noise, smoothed labels, two G steps a D step",
    "fit",
    "leak one_label g_label",
    backends="tensorflow",
)
def instance_noise(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = two_sided()
    gan = NoisyGAN(small_generator(), small_discriminator(last="sigmoid"), fault)
    gan.compile(adam(), adam())
    gan.fit(data, batch_size=32, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained([gan.G, gan.D], from_noise(gan.G, SIZE), data)


@stranger(
    "progressive growing: 8 × 8, then 16 × 16 with new networks",
    "fit",
    "leak g_label",
    backends="tensorflow",
)
def progressive_growing(watch: Watch, fault: str | None, steps: int) -> Trained:
    data = two_sided()
    half = data.reshape(len(data), 8, 2, 8, 2, 1).mean((2, 4))
    stages, body = [], None
    for side, shown in ((8, half), (16, data)):
        generator, critic = small_generator(side), small_discriminator(side, "sigmoid")
        if body is not None:  # the dense layer and the first block are grown from
            for old, new in zip(body.layers[:3], generator.layers[:3]):
                new.set_weights(old.get_weights())
        gan = NoisyGAN(generator, critic, fault, smooth=1.0)
        gan.compile(adam(), adam())
        gan.fit(shown, batch_size=32, epochs=steps // 60, callbacks=watch.callbacks, verbose=0)
        stages += [generator, critic]
        body = generator
    return Trained(stages, from_noise(generator, SIZE), data)
