"""The checks of a first step have all the time they need here, on a slow machine as well."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def unhurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("backend") is not None:
        for module in ("first_step", "compiled_loop"):
            monkeypatch.setattr(f"keras_collapse.training.wiring.{module}.MOST_SECONDS", 1e6)
