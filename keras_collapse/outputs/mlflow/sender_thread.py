"""The thread that sends an outbox to MLflow while the training goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from keras_collapse.core.guard import guarded, warn
from keras_collapse.core.process.heartbeat import Heartbeat
from keras_collapse.outputs.mlflow import rest
from keras_collapse.outputs.mlflow.mlflow_internals import isolate_random
from keras_collapse.outputs.mlflow.outbox import Outbox, OutboxError
from keras_collapse.outputs.mlflow.sender import Sender, Unreachable
from keras_collapse.outputs.mlflow.system_metrics import SystemMetrics

ROUND_SECONDS = 2.0
"""Pause between two rounds: the delay of MLflow's UI."""
WAIT_SECONDS = 2.0
"""Longest time that the end of a fit, or of the process, waits for MLflow."""
AGAIN_SECONDS = (1.0, 30.0)
"""First and longest pause before a server that did not answer is tried again."""


class SenderThread(threading.Thread):
    """Sends until everything of a run that has ended has arrived.

    Args:
        outbox: to send.

    Attributes:
        trouble: why the last round failed; empty if it did not.
        fault: why nothing more can be logged on this machine; empty if it can.
        system: the system metrics that are logged too.
    """

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(name="keras-collapse-mlflow", daemon=True)
        self.trouble = ""
        self.fault = ""
        self.system = SystemMetrics()
        self._outbox = outbox
        self._sender = Sender(outbox)
        self._finishing = False
        self._over = False
        self._deciding = threading.RLock()  # a SIGTERM handler may interrupt its holder
        self._wake = threading.Event()
        self._round_done = threading.Event()

    def run(self) -> None:
        beat = Heartbeat(self._outbox.folder)
        try:
            self._outbox.claim()
            self._send_until_over()
        except OutboxError as error:
            self.abandon(str(error))
        except BaseException as error:  # a thread's traceback would help nobody
            self.abandon(f"{type(error).__name__}: {error}")
        finally:
            beat.stop()
        if self.fault and not self.trouble:
            why = {"collapse.ended": f"the log is incomplete: {self.fault}"}
            guarded(SenderThread, self._sender.end, "FAILED", why)  # until its fit ends well

    def _send_until_over(self) -> None:
        pause, longest = AGAIN_SECONDS
        while not self.fault:
            isolate_random()
            guarded(self.system, self.system.put, self._outbox, off=SystemMetrics.stop)
            try:
                finishing = self._finishing  # read first: what is put later has its own round
                self._sender.send()
                self.trouble, pause = "", AGAIN_SECONDS[0]
                if finishing and self._decide_over():
                    return
            except Unreachable as error:
                self._report_once(error)
                self.trouble = str(error)
                pause = min(2 * pause, longest)
            self._round_done.set()
            self._wake.wait(pause if self.trouble else ROUND_SECONDS)
            self._wake.clear()

    def _decide_over(self) -> bool:
        with self._deciding:
            if self._finishing:
                self._outbox.clear()
                self._outbox.release()
                self._over = True
            return self._over

    def _report_once(self, error: Exception) -> None:
        if not self.trouble:
            warn(
                f"MLflow does not answer. The log waits in {self._outbox.folder} and is sent when "
                f"it does. Reason: {str(error)[:300]}",
                stacklevel=2,
            )

    def abandon(self, fault: str) -> None:
        """Give up on this run, with one warning; the thread ends the run as FAILED."""
        with self._deciding:
            reported, self.fault = self.fault, self.fault or fault
        if not reported:
            warn(
                f"The rest of this run is not logged to MLflow; the training goes on. "
                f"Reason: {fault[:300]}",
                stacklevel=2,
            )
        self._wake.set()

    def end_lost(self, tags: Mapping[str, str]) -> None:
        """End the run of a fit that ended well although its outbox was lost.

        Args:
            tags: of the run.
        """

        def end() -> None:
            self.join()  # it marks the run as FAILED, for the case that the process dies
            guarded(SenderThread, self._sender.end, "FINISHED", tags)

        ending = threading.Thread(target=end, daemon=True)
        ending.start()
        ending.join(WAIT_SECONDS)

    def go_on(self) -> bool:
        """Prepare for another fit of the same run.

        Returns:
            Whether the thread still sends; if not, a new one is needed.
        """
        with self._deciding:
            self._finishing = False
            return not self._over

    def finish(self) -> bool:
        """Wait until everything has arrived, as long as the server answers.

        After `WAIT_SECONDS` the thread goes on as long as the process lives, and then a process of
        its own: see `rest`.

        Returns:
            Whether everything has arrived.
        """
        self._finishing = True
        until = time.monotonic() + WAIT_SECONDS
        while self.is_alive() and time.monotonic() < until:
            self._round_done.clear()
            self._wake.set()
            while self.is_alive() and not self._round_done.wait(0.05) and time.monotonic() < until:
                pass
            if self.trouble:
                break
        if not self._over and not self.fault:
            rest.send_after_exit(self._outbox.folder)
        return self._over
