"""What goes wrong in our own code never stops the training."""

from __future__ import annotations

import warnings

import pytest

from keras_collapse.core.guard import guarded


class Panic(BaseException):
    """As libraries in Rust raise."""


def test_an_error_of_any_kind_is_reported_but_a_wish_to_end_is_not() -> None:
    for error in (ValueError("mine"), Panic("mine")):
        with pytest.warns(UserWarning, match="mine"):
            assert guarded("part", fail, error) is None
    for wish in (KeyboardInterrupt(), SystemExit(), GeneratorExit()):
        with pytest.raises(type(wish)):
            guarded("part", fail, wish)


def fail(error: BaseException) -> None:
    raise error


def test_a_warning_that_is_an_error_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert guarded("part", fail, ValueError("mine")) is None
    assert "part failed this time" in capsys.readouterr().err
