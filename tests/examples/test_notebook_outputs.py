"""The guide's notebook is committed with the outputs of one run, from start to end."""

from __future__ import annotations

import json
import re

from paths import EXAMPLES

CELLS = json.loads((EXAMPLES / "04_01_gan_camel_train.ipynb").read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


def said(cell: dict[str, object]) -> str:
    return json.dumps(cell["outputs"], ensure_ascii=False)


def test_all_cells_ran_in_order_without_an_error() -> None:
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    kinds = {output["output_type"] for cell in CODE for output in cell["outputs"]}
    assert "error" not in kinds
    assert {"display_data", "execute_result", "stream"} <= kinds
    assert not any(output.get("name") == "stderr" for cell in CODE for output in cell["outputs"])


def test_the_outputs_show_panel_verdict_samples_and_both_plans() -> None:
    everything = "".join(map(said, CODE))
    shown = (
        "HEALTHY",
        "image/png",
        "No failure found",
        "The guide's Plan A",
        "bit-identical to run 1",
        "The guide's Plan B",
        "16 always works but 64 fails",
        "Root cause: wiring",
    )
    assert [words for words in shown if words not in everything] == []


def test_no_place_of_the_machine_is_in_them() -> None:
    assert re.findall(r"/(?:home|tmp|root|Users|work)/[^\s\"']*", "".join(map(said, CODE))) == []
