"""What is computed from the records of ``overhead.py``."""

from __future__ import annotations

import random

import pytest
from costs import overhead_page as page


def rounds(per_step: float, per_fit: float, count: int = 30) -> list[list[page.Record]]:
    """Fits on a busy machine: each a quarter slower or faster, for a reason of its own."""
    draw, made = random.Random(0), []
    for _ in range(count):
        made.append([])
        for variant, step, fit in (
            ("nothing", 5e-4, 0.05),
            ("an empty callback", 5.1e-4, 0.05),
            (page.WAIT, 1.7e-3, 0.05),
            (page.LONGER_WAIT, 1.7e-3 + per_step, 0.05 + per_fit),
            ("monitor", 6e-4, 0.07),
            (page.FIRST, 6e-4, 1.57),
        ):
            for epochs in page.LENGTHS:
                seconds = (step * epochs * page.EPOCH_STEPS + fit) * draw.uniform(0.9, 1.1)
                clocks = dict.fromkeys(page.CLOCKS, seconds)
                made[-1].append({"variant": variant, "epochs": epochs, **clocks})
    return made


def test_a_known_cost_is_found_within_its_interval() -> None:
    step, fit = page.costs(rounds(2e-3, 0.3), page.LONGER_WAIT, "all", page.WAIT)
    assert step[1] < 2e-3 < step[2]
    assert fit[1] < 0.3 < fit[2]
    assert step[2] - step[1] < 5e-4


@pytest.mark.parametrize(("wait", "found"), [(1e-3, True), (2e-3, False), (0.0, False)])
def test_the_self_test_fails_where_the_wait_is_not_what_it_was(wait: float, found: bool) -> None:
    assert page.finds_the_wait(rounds(wait, 0.0))[0] is found


def test_the_page_has_what_was_measured_and_no_more() -> None:
    text = page.page({"jax": rounds(1e-3, 0.0)})
    assert "30 rounds" in text
    assert "| an empty callback |" in text
    assert "TensorBoard" not in text.split("## jax")[1]
    assert "takes 1,5" in text.split("The first fit of a `CollapseMonitor`")[1]


def test_shares_are_of_the_fit_without_callbacks_of_the_same_round() -> None:
    draw, made = random.Random(0), []
    for _ in range(20):
        slow = draw.uniform(1, 3)  # of a busy machine, for the whole round
        made.append(
            [
                {
                    "variant": variant,
                    "steps": 100,
                    **dict.fromkeys(page.CLOCKS, seconds * slow),
                }
                for variant, seconds in (
                    ("nothing", 10.0),
                    ("monitor", 10.1),
                    ("monitor, panel", 10.2),
                    ("monitor, MLflow", 10.3),
                    (page.FIRST, 12.1),
                )
            ]
        )
    assert page.shares(made, "monitor", "wall") == pytest.approx((0.01, 0.01, 0.01))
    text = page.page({"torch-camel": made})
    assert "## torch: the small camel GAN" in text
    assert "| `CollapseMonitor` and `MLflowLogger` | 3.0% (3.0% to 3.0%) |" in text
