"""ACGAN on TensorFlow: D names the class as well."""

# ruff: noqa: B905
from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from corpus import Trained, Watch, stranger
from digits_by_class import CLASSES, LATENT, SIDE, by_class, labelled, painter
from keras import layers


class AuxiliaryGAN(keras.Model):
    """ACGAN: D returns a score and a class, G takes noise and an integer label."""

    def __init__(self, discriminator: Any, generator: Any, fault: str | None) -> None:
        super().__init__()
        self.discriminator, self.generator, self.fault = discriminator, generator, fault
        self.latent_dim = LATENT

    def compile(self, d_optimizer: Any, g_optimizer: Any) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.validity_loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
        self.class_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        n = tf.shape(x)[0]
        noise, sampled = tf.random.normal((n, LATENT)), tf.random.uniform((n,), 0, CLASSES, "int32")
        with tf.GradientTape(persistent=True) as tape:
            fake = self.generator([noise, sampled], training=True)
            validity, classes = self.discriminator(x, training=True)
            fake_validity, fake_classes = self.discriminator(fake, training=True)
            of_fake = tf.ones_like if self.fault == "one_label" else tf.zeros_like
            d_adv = self.validity_loss(tf.ones_like(validity), validity)
            d_adv += self.validity_loss(of_fake(fake_validity), fake_validity)
            d_cls = self.class_loss(y, classes)
            wanted = tf.zeros_like if self.fault == "g_label" else tf.ones_like
            g_adv = self.validity_loss(wanted(fake_validity), fake_validity)
            g_cls = self.class_loss(sampled, fake_classes)
            d_loss, g_loss = d_adv + d_cls, g_adv + g_cls
        of_d, of_g = self.discriminator.trainable_weights, self.generator.trainable_weights
        if self.fault == "leak":
            of_g = of_g + of_d
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, of_d), of_d))
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, of_g), of_g))
        return {"d_loss": d_loss, "g_loss": g_loss, "d_class_loss": d_cls, "g_class_loss": g_cls}


@stranger(
    "ACGAN: auxiliary classifier, embedded labels, smoothing",
    "fit",
    "leak one_label g_label no_labels",
    backends="tensorflow",
    steps=300,
)
def auxiliary_classifier(watch: Watch, fault: str | None, steps: int) -> Trained:
    digits, labels = labelled(fault, 0.0)
    z, label = layers.Input((LATENT,)), layers.Input((), dtype="int32")
    embedded = layers.Flatten()(layers.Embedding(CLASSES, LATENT)(label[:, None]))
    embedded = layers.Rescaling(0.0, 1.0)(embedded) if fault == "no_labels" else embedded
    generator = keras.Model([z, label], painter(LATENT)(layers.Multiply()([z, embedded])))
    x = layers.Input((SIDE, SIDE, 1))
    h = layers.Conv2D(16, 3, strides=2, padding="same", activation="leaky_relu")(x)
    h = layers.Dropout(0.25)(layers.Flatten()(h))
    discriminator = keras.Model(x, [layers.Dense(1)(h), layers.Dense(CLASSES)(h)])
    gan = AuxiliaryGAN(discriminator, generator, fault)
    gan.compile(keras.optimizers.Adam(3e-4, 0.5), keras.optimizers.Adam(1e-3, 0.5))
    gan.fit(digits, labels, batch_size=32, epochs=steps // 30, callbacks=watch.callbacks, verbose=0)
    return Trained(
        [generator, discriminator],
        by_class(lambda noise, asked: generator([noise, asked.astype("int32")], training=False)),
        digits,
        labels,
    )
