"""TensorBoardLogger: writes readings, samples and findings for TensorBoard."""

from __future__ import annotations

import io
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_collapse.core.errors import InputError
from keras_collapse.core.findings import Finding, Verdict
from keras_collapse.core.readings.reading import Reading
from keras_collapse.core.samples.probe import Probe
from keras_collapse.outputs.markdown import description
from keras_collapse.outputs.subscriber import Subscriber


class TensorBoardLogger(Subscriber):
    """Callback that writes the results of the `CollapseMonitor` of the same ``fit`` to TensorBoard.

    It writes readings under ``readings/`` and sample checks under ``samples/``, each at its
    training step; sample grids as images; learning rates under ``rates/``; and findings and the
    verdict as text. It works on every backend without TensorFlow, and needs
    ``pip install 'keras-collapse[tensorboard]'``.

    Args:
        log_dir: the folder of the event files.

    Raises:
        InputError: the ``tensorboard`` package is not installed.

    Example::

        callbacks = [kc.CollapseMonitor(), kc.TensorBoardLogger("logs")]
        gan.fit(data, epochs=20, callbacks=callbacks)
    """

    def __init__(self, log_dir: str | Path = "logs") -> None:
        super().__init__()
        try:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise InputError(
                "TensorBoardLogger needs the tensorboard package. Do: "
                "pip install 'keras-collapse[tensorboard]'"
            ) from None
        self.log_dir = Path(log_dir)
        self._writer_of = EventFileWriter
        self._writer: Any = None

    # -- events of the monitor -------------------------------------------------------------

    def on_run(self, facts: Mapping[str, Any]) -> None:
        if self._writer is None:
            self._writer = self._writer_of(str(self.log_dir))
            weakref.finalize(self, self._writer.close)  # its thread would keep it open for ever
        plain = {name: value for name, value in facts.items() if name != "summary"}
        lines = [f"| {name} | {value} |" for name, value in sorted(plain.items())]
        self._text("run", "\n".join(["| | |", "|---|---|", *lines]), 0)

    def on_reading(self, reading: Reading) -> None:
        self._scalars(reading.step, reading.values, "readings/")

    def on_probe(self, probe: Probe) -> None:
        self._scalars(probe.step, probe.values, "samples/")

    def on_epoch(self, step: int, epoch: int, numbers: Mapping[str, float]) -> None:
        self._scalars(step, numbers, "rates/")
        self._writer.flush()

    def on_samples(self, step: int, images: Any) -> None:
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        file = io.BytesIO()
        Image.fromarray(images).save(file, format="PNG")
        picture = Summary.Image(
            height=images.shape[0],
            width=images.shape[1],
            colorspace=3 if images.ndim == 3 else 1,
            encoded_image_string=file.getvalue(),
        )
        self._put([Summary.Value(tag="samples", image=picture)], step)

    def on_finding(self, finding: Finding) -> None:
        text = f"**{finding.severity}**, since step {finding.first_step}: {finding.message}"
        self._text(f"findings/{finding.kind}", text, finding.last_step)

    def on_verdict(self, verdict: Verdict, samples: Any) -> None:
        self._text("verdict", description(verdict), max(verdict.steps - 1, 0))
        self._writer.flush()

    # -- TensorBoard's events --------------------------------------------------------------

    def _scalars(self, step: int, values: Mapping[str, float], prefix: str) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._put(
            [Summary.Value(tag=prefix + k, simple_value=float(v)) for k, v in values.items()], step
        )

    def _text(self, tag: str, words: str, step: int) -> None:
        import numpy as np
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.text import metadata
        from tensorboard.util.tensor_util import make_tensor_proto

        value = Summary.Value(
            tag=tag,
            metadata=metadata.create_summary_metadata(tag, ""),
            tensor=make_tensor_proto(np.array(words.encode(), object)),
        )
        self._put([value], step)

    def _put(self, values: list[Any], step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        event = Event(wall_time=time.time(), step=step, summary=Summary(value=values))
        self._writer.add_event(event)
