"""The guide's notebook is committed with the outputs of one whole run, without an error."""

from __future__ import annotations

import nbformat
from guide_notebook import PATH


def test_the_notebook_has_the_outputs_of_one_run() -> None:
    cells = [c for c in nbformat.read(PATH, as_version=4).cells if c.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert "error" not in {output.output_type for output in outputs}
    said = "".join(map(str, outputs))
    for part in ("image/png", "The guide's Plan A", "The guide's step 3", "No GPU"):
        assert part in said
    assert "/home/" not in said
