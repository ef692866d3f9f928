"""The wiring faults in words: how severe each is, what it means, and what removes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keras_collapse.core.advice import FREEZE_WEIGHTS
from keras_collapse.core.findings import Severity

_TRAINABLE = (
    "Set discriminator.trainable = True before its step is first run: Keras 3 reads the flag when "
    "the step is traced, not when the model is compiled."
)
FAULTS: Mapping[str, tuple[Severity, str, Sequence[str]]] = {
    "discriminator_leak": (
        Severity.FAILED,
        "The generator's step also changes the discriminator: it is trained to call fakes real.",
        (
            "In train_step: take G's gradients with respect to generator.trainable_weights only, "
            "and apply them with g_optimizer to those only. D need not be frozen for that.",
        ),
    ),
    "generator_leak": (
        Severity.FAILED,
        "The discriminator's step also changes the generator: it is trained to be caught.",
        (
            "In train_step: take D's gradients with respect to discriminator.trainable_weights "
            "only, and apply them with d_optimizer to those only.",
        ),
    ),
    "discriminator_frozen": (
        Severity.FAILED,
        "No step changes the discriminator: it cannot learn.",
        (
            _TRAINABLE,
            "In train_step: check that D's gradients are taken from D's loss and applied by "
            "d_optimizer to discriminator.trainable_weights.",
        ),
    ),
    "generator_frozen": (
        Severity.FAILED,
        "No step changes the generator: it cannot learn.",
        (
            "Check that generator.trainable is True when the step is first run.",
            "In train_step: compute G's loss from discriminator(generator(latents)) where "
            "gradients are recorded, and apply its gradients to generator.trainable_weights.",
        ),
    ),
    "accumulated_gradients": (
        Severity.FAILED,
        "Gradients of earlier steps are added to those of each step: they are not set to zero.",
        ("In train_step: call self.zero_grad() before each loss.backward().",),
    ),
    "shared_optimizer": (
        Severity.WARNING,
        "One optimizer instance updates both networks: they share its step count and its rate.",
        (
            "Give each network an optimizer of its own: compile(d_optimizer=..., "
            "g_optimizer=...) with two instances.",
        ),
    ),
}
"""Kind to severity, message, and the advice where a ``train_step`` trains the networks."""
IN_A_LOOP: Mapping[str, Sequence[str]] = {
    "discriminator_leak": (
        f"Freeze D's weights for G's step: {FREEZE_WEIGHTS}.",
        "If D has no batch norm, discriminator.trainable = False before each combined step, and "
        "True again before D's, does the same. It would put batch norm into inference mode.",
    ),
    "generator_leak": (
        "Draw fakes with generator.predict(latents), outside of the model that D's step trains.",
    ),
    "discriminator_frozen": (
        _TRAINABLE,
        "Set it before each discriminator.train_on_batch(...) if D is frozen for G's step.",
    ),
    "generator_frozen": (
        "Check that generator.trainable is True when the combined model's step is first run.",
        "Build the combined model from this very generator: discriminator(generator(latents)).",
    ),
    "shared_optimizer": (
        "Compile the discriminator and the combined model with two optimizer instances.",
    ),
}
"""The advice where ``train_on_batch`` trains the networks."""
