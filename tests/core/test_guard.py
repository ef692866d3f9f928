"""What goes wrong in our own code never stops the training."""

from __future__ import annotations

import warnings

import pytest

from keras_collapse.core.guard import guarded


def fail(error: BaseException) -> None:
    raise error


def test_a_warning_that_is_an_error_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert guarded("part", fail, ValueError("mine")) is None
    assert "part failed this time" in capsys.readouterr().err
