"""TensorBoard's event files, wherever they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from keras_collapse.sources import read


def write(folder: Path, offset: float = 0.0) -> None:
    writer = EventFileWriter(str(folder))
    for step in range(5):
        value = Summary.Value(tag="d_loss", simple_value=offset + step / 10)
        writer.add_event(Event(step=step, summary=Summary(value=[value])))
    writer.close()


@pytest.mark.parametrize("inside", [".", "train"])
def test_a_parent_folder_may_be_called_validation(tmp_path: Path, inside: str) -> None:
    run = tmp_path / "validation" / "run"
    write(run / inside)
    assert [row.logs["d_loss"] for row in read(run).rows] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_keras_own_validation_folder_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "train")
    write(tmp_path / "validation", offset=9.0)
    assert max(row.logs["d_loss"] for row in read(tmp_path).rows) < 1
