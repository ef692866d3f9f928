"""Seeds set what can be set, and say plainly what they could not reach."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from paths import TESTS
from tiny import ring, tiny_gan, weights

import keras_collapse as kc
from keras_collapse.reproducibility import seeding

pytestmark = pytest.mark.backend()

HERE = TESTS


def train(*callbacks: keras.callbacks.Callback) -> list[np.ndarray]:
    gan = tiny_gan()
    gan.fit(ring(128), batch_size=32, epochs=2, verbose=0, callbacks=list(callbacks))
    return weights(gan)


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_seed_everything_makes_the_next_training_repeat() -> None:
    kc.seed_everything(1)
    first = train()
    kc.seed_everything(1)
    again = train()
    kc.seed_everything(2)
    other = train()
    assert same(first, again)
    assert not same(first, other)


def test_it_seeds_python_and_numpy() -> None:
    kc.seed_everything(9)
    drawn = random.random(), np.random.random()
    kc.seed_everything(9)
    assert (random.random(), np.random.random()) == drawn


def test_the_report_has_three_lists() -> None:
    report = kc.seed_everything(3)
    assert report.to_dict().keys() == {"seed", "enforced", "verified", "unknown"}
    assert "NumPy's global generator" in report.enforced
    assert any("data" in item for item in report.unknown)
    lines = str(report).splitlines()
    assert lines[0] == "Seed 3"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["enforced", "verified", "unknown"]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "42", None, True])
def test_what_is_no_seed_is_refused(seed: object) -> None:
    for wants_seed in (kc.seed_everything, kc.SeedControl):
        with pytest.raises(kc.InputError, match="Received"):
            wants_seed(seed)  # type: ignore[operator]


def test_a_triages_known_good_seed_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "known_good.toml"
    path.write_text("seeds = [7, 8]\nbatch_size = 64\n")
    assert kc.SeedControl(path).seed == 7
    assert kc.SeedControl(str(path)).seed == 7
    with pytest.raises(kc.InputError, match="cannot read"):
        kc.SeedControl("nothing.toml")


def test_seeded_before_building_is_verified() -> None:
    kc.seed_everything(4)
    control = kc.SeedControl(4, verbose=0)
    train(control)
    assert control.report is not None
    assert any("initial weights, built after" in item for item in control.report.verified)
    assert "seeded_too_late" not in [f.kind for f in control.report.findings]


@pytest.mark.parametrize("before", ["nothing", "another seed", "seed after building"])
def test_seeded_too_late_is_said_plainly(
    before: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "_last", seeding._LastSeeding())
    if before == "another seed":
        kc.seed_everything(5)
    gan = tiny_gan()
    if before == "seed after building":
        kc.seed_everything(4)
    control, monitor = kc.SeedControl(4), kc.CollapseMonitor(verbose=0)
    gan.fit(ring(64), batch_size=32, verbose=0, callbacks=[control, monitor])
    assert control.report is not None
    assert any("initial weights (" in item for item in control.report.unknown)
    said = capsys.readouterr().out
    assert "unknown:" in said
    assert "initial weights" in said
    (late,) = (f for f in monitor.verdict.findings if f.kind == "seeded_too_late")
    assert "seed_everything(4)" in late.advice[0]


def test_with_equal_weights_a_late_seed_controls_the_rest() -> None:
    """FACTS: resetting every SeedGenerator makes dropout and latents follow a late seed."""
    start = weights(tiny_gan())

    def late(seed: int) -> list[np.ndarray]:
        gan = tiny_gan()
        gan.latent_seed.state.assign(np.array([random.getrandbits(20), 0], "uint32"))
        variables = [*gan.variables, *gan.optimizer.variables, *gan.d_optimizer.variables]
        for variable, value in zip(variables, start, strict=True):
            if variable.name != "seed_generator_state":
                variable.assign(value)
        data = ring(128)
        control = kc.SeedControl(seed, verbose=0)
        gan.fit(data, batch_size=32, verbose=0, shuffle=False, callbacks=[control])
        return weights(gan)

    assert same(late(6), late(6))
    assert not same(late(6), late(7))


def test_a_second_fit_goes_on_and_does_not_repeat_the_first() -> None:
    gan = tiny_gan()
    control = kc.SeedControl(1, verbose=0)
    states = []
    for _ in range(2):
        gan.fit(ring(64), batch_size=32, verbose=0, callbacks=[control])
        states.append(np.array(keras.ops.convert_to_numpy(gan.latent_seed.state.value)))
    assert not np.array_equal(*states)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the environment Python began with")
@pytest.mark.backend("jax")
def test_the_hash_seed_counts_only_if_set_before_python_started() -> None:
    program = (
        "import os; os.environ['PYTHONHASHSEED'] = '1'\n"
        "import keras_collapse as kc\n"
        "print([i for i in kc.seed_everything(1).verified if 'hash' in i])\n"
    )

    def verified(**environment: str) -> str:
        clean = {k: v for k, v in os.environ.items() if k != "PYTHONHASHSEED"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=clean | environment, text=True,
            capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout.strip().splitlines()[-1]

    assert verified() == "[]"
    assert verified(PYTHONHASHSEED="0") == "['hash seed (PYTHONHASHSEED=0)']"


UNSEEDED = """
import sys
sys.path.insert(0, {here!r})
from tiny import ring, tiny_gan
import keras_collapse as kc
control = kc.SeedControl(42)
tiny_gan().fit(ring(64), batch_size=32, verbose=0, callbacks=[control])
print("trained", [finding.kind for finding in control.report.findings])
"""


@pytest.mark.slow("jax", "torch")
def test_a_fit_that_nobody_seeded_is_not_hurt() -> None:
    """TensorFlow refuses unseeded pipelines once its operations are deterministic."""
    script = UNSEEDED.format(here=str(TESTS))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert "trained" in done.stdout, done.stderr[-2000:]
    assert "seeded_too_late" in done.stdout
    assert ("nondeterministic" in done.stdout) is (keras.backend.backend() == "tensorflow")
