"""Logs as other people's programs print them: the verdict is right, or says why it is unknown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "zoo"))

from zoo import Run, load

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Verdict
from keras_collapse.sources import diagnose, examine
from keras_collapse.sources.text_log import read_pattern, read_text

Numbers = Mapping[str, np.ndarray]


def diagnosed(path: Path, lines: Iterable[str]) -> Verdict:
    path.write_text("\n".join(lines) + "\n")
    return diagnose(path)


def kinds(verdict: Verdict) -> list[str]:
    return [finding.kind for finding in verdict.findings]


def numbers_of(run: Run) -> dict[str, np.ndarray]:
    """A recorded training's numbers; each row of the record counts as a step of larger batches."""
    numbers = {n: v.astype("float64") for n, v in zip(run.signals, run.readings.T, strict=True)}
    for what in ("loss", "acc"):
        numbers[f"d_{what}"] = (numbers[f"d_{what}_real"] + numbers[f"d_{what}_fake"]) / 2
    return numbers


def recorded(cause: str, objective: str = "bce") -> Numbers:
    """The first recorded training of that cause and objective."""
    return next(
        numbers_of(run)
        for run in load()
        if (run.recipe["cause"], run.program["objective"]) == (cause, objective)
        and run.label in ("healthy", "failed")
        and not run.recipe["since"]
    )


def keras_gan(n: Numbers, t: int) -> str:
    return f"{t} [D loss: {n['d_loss'][t]:.6f}, acc.: {100 * n['d_acc'][t]:.2f}%] " + (
        f"[G loss: {n['g_loss'][t]:.6f}]"
    )


def pytorch_gan(n: Numbers, t: int) -> str:
    return (
        f"[Epoch {t // 50}/9] [Batch {t % 50}/50] [D loss: {n['d_loss'][t]:.4f}] "
        f"[G loss: {n['g_loss'][t]:.4f}]"
    )


def brownlee(n: Numbers, t: int) -> str:
    return (
        f">{t // 84 + 1}, {t % 84 + 1}/84, d1={n['d_loss_real'][t]:.3f}, "
        f"d2={n['d_loss_fake'][t]:.3f} g={n['g_loss'][t]:.3f}, "
        f"a1={int(100 * n['d_acc_real'][t])}, a2={int(100 * n['d_acc_fake'][t])}"
    )


def dcgan(n: Numbers, t: int) -> str:
    return (
        f"[{t // 100}/5][{t % 100}/100]\tLoss_D: {2 * n['d_loss'][t]:.4f}\t"
        f"Loss_G: {n['g_loss'][t]:.4f}\tD(x): 0.5120\tD(G(z)): 0.4871 / 0.4512"
    )


def chollet(n: Numbers, t: int) -> str:
    return (
        f"discriminator loss at step {t}: {n['d_loss'][t]:.3f}\n"
        f"adversarial loss at step {t}: {n['g_loss'][t]:.3f}"
    )


FORMS = [keras_gan, pytorch_gan, brownlee, dcgan, chollet]


@pytest.mark.parametrize("form", FORMS)
def test_a_healthy_training_is_never_a_failure(
    form: Callable[[Numbers, int], str], tmp_path: Path
) -> None:
    numbers = recorded("none")
    verdict = diagnosed(tmp_path / "a.log", [form(numbers, t) for t in range(300)])
    assert verdict.status in ("healthy", "unknown")
    assert verdict.steps == 300
    assert verdict.averaging == "batch"


@pytest.mark.parametrize("form", FORMS)
def test_a_d_that_is_not_trained_is_found(
    form: Callable[[Numbers, int], str], tmp_path: Path
) -> None:
    numbers = recorded("frozen_d")
    verdict = diagnosed(tmp_path / "a.log", [form(numbers, t) for t in range(300)])
    accuracies = form in (keras_gan, brownlee)  # by its losses alone it may stay unknown
    assert verdict.status in (("warning", "failed") if accuracies else ("warning", "unknown"))
    assert set(kinds(verdict)) <= {"discriminator_fooled", "discriminator_pinned"}


@pytest.mark.parametrize("objective", ["least_squares", "hinge", "wasserstein_gp"])
def test_another_objective_is_unknown_from_its_losses(objective: str, tmp_path: Path) -> None:
    numbers = recorded("none", objective)
    verdict = diagnosed(tmp_path / "a.log", [pytorch_gan(numbers, t) for t in range(300)])
    assert (verdict.status, verdict.findings) == ("unknown", ())


def test_a_critics_names_tell_its_objective(tmp_path: Path) -> None:
    lines = [f">{t + 1}, c1={0.7 - t / 500:.3f}, c2=0.700 g=0.690" for t in range(400)]
    verdict = diagnosed(tmp_path / "a.log", lines)
    assert (verdict.status, verdict.findings) == ("unknown", ())


def swapped(t: int) -> str:
    left = np.exp(-t / 80)
    return (
        f"step {t}: d_loss: {0.69 * left:.4f}, d_acc: {1 - 0.5 * left:.4f}, "
        f"g_loss: {0.69 * left:.4f}, g_acc: {1 - 0.5 * left:.4f}"
    )


def two_faces(t: int) -> str:
    began = 1 - np.exp(-t / 80)
    return (
        f"step {t}: d_loss: {0.69 - 0.66 * began:.4f}, d_real_acc: {0.5 + 0.5 * began:.4f}, "
        f"d_fake_acc: {0.5 + 0.5 * began:.4f}, g_loss: {0.7 - 0.23 * began:.4f}, "
        f"g_acc: {0.5 + 0.25 * began:.4f}"
    )


@pytest.mark.parametrize(
    ("line", "kind"), [(swapped, "generator_objective"), (two_faces, "batchnorm_mismatch")]
)
def test_two_networks_that_both_win_are_found_and_nothing_else(
    line: Callable[[int], str], kind: str, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_text("\n".join(map(line, range(500))))
    verdict = diagnose(tmp_path / "a.log", averaging="batch")
    assert kinds(verdict) == [kind]


@pytest.mark.parametrize("name", ["book_camel_2019", "guide_camel_2026"])
def test_published_logs_have_neither_failure(data: Path, name: str) -> None:
    found = kinds(diagnose(data / "runs" / f"{name}.csv"))
    assert not {"discriminator_fooled", "batchnorm_mismatch", "generator_objective"} & set(found)


# -- averaging -------------------------------------------------------------------------------


def test_a_verdict_that_hangs_on_the_averaging_is_unknown_and_says_how_to_tell() -> None:
    lines = [f"step {100 * i}: d_loss: {0.69 if i < 8 else 0.75:.2f}" for i in range(11)]
    log = "\n".join(line + ", g_loss: 0.69" for line in lines)
    verdict = examine(read_text(log.splitlines(), "it", None)).verdict
    assert verdict.averaging is None
    assert verdict.status == "unknown"
    assert "--averaging batch" in verdict.reason


def test_running_means_are_undone_where_the_log_shows_them(tmp_path: Path) -> None:
    numbers = recorded("none")
    means = {k: np.cumsum(v) / np.arange(1, len(v) + 1) for k, v in numbers.items()}
    verdict = diagnosed(tmp_path / "a.log", [keras_gan(means, t) for t in range(300)])
    assert verdict.averaging == "run"
    assert kinds(verdict) == ["cumulative_metrics"]


def test_an_averaging_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("step 1: d_loss: 0.5\n")
    with pytest.raises(InputError, match=r"averaging: use batch, epoch, run\. Received: 'mean'"):
        diagnose(tmp_path / "a.log", averaging="mean")


# -- lines -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (">1, 1/84, d=0.702, g=0.667", {"d_loss": 0.702, "g_loss": 0.667}),
        (
            ">1, 1/84, d1=0.300, d2=0.400 g=0.700",
            {"d_loss_real": 0.3, "d_loss_fake": 0.4, "g_loss": 0.7},
        ),
        ("discriminator loss at step 0: 0.69", {"d_loss": 0.69}),
        ("adversarial loss at step 0: 0.70", {"g_loss": 0.7}),
        ("[0/5][0/1583]\tLoss_D: 1.7\tLoss_G: 5.0\tD(x): 0.5\tD(G(z)): 0.6 / 0.01",
         {"d_loss": 1.7, "g_loss": 5.0}),
        ("[Epoch 0/200] [Batch 0/99] [D loss: 0.3, acc:  40%] [G loss: 05.1, adv: 0.5, recon: 0.2, "
         "id: 0.3] time: 0:00:12", {"d_loss": 0.3, "d_acc": 0.4, "g_loss": 5.1}),
        ("epoch 0, step 0, real_acc 0.6: errD=0.5 errG=0.9", {"d_loss": 0.5, "g_loss": 0.9}),
    ],
)  # fmt: skip
def test_published_lines_are_read(line: str, values: dict[str, float]) -> None:
    run = read_text([line], "it", None)
    (reading,) = examine(run).readings
    assert reading.step == 0
    assert reading.values == pytest.approx(values)


def test_the_steps_of_an_epoch_count_where_the_log_skips_some() -> None:
    run = read_text(
        [f"[Epoch {e}/3] [Batch {b}/938] [D loss: 0.5]" for e in range(3) for b in (0, 500)],
        "it", None,
    )  # fmt: skip
    assert [row.step for row in run.rows] == [0, 500, 938, 1438, 1876, 2376]
    global_steps = read_text(
        [f"epoch {s // 300} step {s}: d_loss: 0.5" for s in range(0, 900, 100)], "it", None
    )
    assert [row.step for row in global_steps.rows] == list(range(0, 900, 100))


def test_a_log_of_times_only_says_so() -> None:
    with pytest.raises(InputError, match="it holds the epochs' times only"):
        read_text(["Time for epoch 1 is 3.4 sec", "Time for epoch 2 is 3.3 sec"], "it", None)


def test_several_pairs_are_asked_about() -> None:
    log = "step 0: D_X_loss: 0.5, D_Y_loss: 0.6, G_loss: 3.0"
    with pytest.raises(InputError, match="several pairs"):
        read_text(log.splitlines(), "it", None)
    run = read_text(log.splitlines(), "it", {"d_loss": "D_X_loss"})
    assert next(iter(run.rows)).logs["D_X_loss"] == 0.5


def test_a_question_about_a_name_is_a_note() -> None:
    run = read_text(["step 0: d_loss: 0.5, gen_acc: 0.6"], "it", None)
    assert "gen_acc" not in next(iter(run.rows)).logs
    assert "--signal g_acc=gen_acc" in run.notes[0]


# -- patterns --------------------------------------------------------------------------------

LINE = r"it(?P<step>\d+) .*D>(?P<d_loss>[\d.]+) G>(?P<mine>[\d.]+)(?: A>(?P<d_acc>[\d.]+%))?"


def test_any_line_is_read_by_a_pattern() -> None:
    log = "hello\nit3 || D>0.5 G>1.5 A>50%\nit4 || D>0.6 G>1.6 A>75%\n"
    run = read_pattern(log.splitlines(), "it", LINE, {"g_loss": "mine"})
    assert [row.step for row in run.rows] == [3, 4]
    (first, _) = examine(run).readings
    assert first.values == {"d_loss": 0.5, "d_acc": 0.5, "g_loss": 1.5}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "pattern: .*Received: '\\('"),
        ("loss=([0-9.]+)", "name its groups after signals"),
        ("(?P<loss>[0-9.]+)", "no GAN signals found among: loss"),
        ("never (?P<d_loss>[0-9.]+)", "no line of it matches"),
        ("it(?P<step>.) (?P<d_loss>.)", "should match numbers"),
    ],
)
def test_a_bad_pattern_is_refused_in_one_line(pattern: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        read_pattern(["it1 || D>0.5"], "it", pattern, None)
    assert "\n" not in str(error.value)
