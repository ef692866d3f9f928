"""The README's Python runs as it is printed there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from paths import ROOT
from tiny import ring, tiny_gan

pytestmark = pytest.mark.backend()

README = ROOT / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow("jax", "torch")  # where its fits take a minute
@pytest.mark.usefixtures("store")
def test_every_python_block_of_the_readme_runs() -> None:
    names: dict[str, Any] = {"gan": tiny_gan(), "data": ring(256), "build": tiny_gan}
    assert len(BLOCKS) >= 2
    for block in BLOCKS:
        exec(compile(block.replace("epochs=20", "epochs=3"), str(README), "exec"), names)
    assert names["monitor"].verdict.status in ("healthy", "warning", "failed", "unknown")
    assert set(re.findall(r"kc\.(\w+)", "".join(BLOCKS))) <= set(dir(names["kc"]))
