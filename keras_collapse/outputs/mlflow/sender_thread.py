"""The thread that sends an outbox while the training goes on; never in its way."""

from __future__ import annotations

import threading
import time
import warnings

from keras_collapse.core.guard import guarded
from keras_collapse.outputs.mlflow.outbox import Outbox
from keras_collapse.outputs.mlflow.sender import Sender, Unreachable
from keras_collapse.outputs.mlflow.system_metrics import Machine

ROUND_SECONDS = 2.0
"""Between looks into the outbox: what the UI lags."""
AGAIN_SECONDS = (1.0, 30.0)
"""First and longest pause before a server that did not answer is asked again."""


class SenderThread(threading.Thread):
    """Sends until all of a run that has ended has arrived.

    Args:
        outbox: to send.

    Attributes:
        trouble: why the last round failed; empty where it did not.
        machine: the gauges that are read besides.
    """

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(name="keras-collapse-mlflow", daemon=True)
        self.trouble = ""
        self.machine = Machine()
        self._outbox = outbox
        self._sender = Sender(outbox)
        self._finishing = False
        self._wake = threading.Event()
        self._turned = threading.Event()

    def run(self) -> None:
        pause, longest = AGAIN_SECONDS
        while True:
            guarded(self.machine, self.machine.note, self._outbox, off=Machine.stop)
            try:
                finishing = self._finishing  # asked first: what is put later has its own round
                self._sender.send()
                self.trouble, pause = "", AGAIN_SECONDS[0]
                if finishing:
                    self._outbox.clear()
                    self._outbox.release()
                    return
            except Unreachable as error:
                self._say_once(error)
                self.trouble = str(error)
                pause = min(2 * pause, longest)
            self._turned.set()
            self._wake.wait(pause if self.trouble else ROUND_SECONDS)
            self._wake.clear()

    def _say_once(self, error: Exception) -> None:
        if not self.trouble:
            warnings.warn(
                f"MLflow does not answer; what is logged waits in {self._outbox.folder} and is "
                f"sent when it does. Reason: {str(error)[:300]}",
                stacklevel=2,
            )

    def go_on(self) -> None:
        """Another fit of the same run has begun."""
        self._finishing = False

    def finish(self, seconds: float) -> bool:
        """Nothing more will be put: wait until all has arrived, while the server answers.

        Where it does not, the thread goes on trying as long as the process lives.

        Returns:
            Whether all has arrived.
        """
        self._outbox.end()
        self._finishing = True
        until = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < until:
            self._turned.clear()
            self._wake.set()
            while self.is_alive() and not self._turned.wait(0.05) and time.monotonic() < until:
                pass
            if self.trouble:
                break
        return not self.is_alive()
