"""The base class of every callback that shows or stores what the monitor sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import keras

from keras_collapse.core.events import Listener, RunEvents, events_of
from keras_collapse.core.guard import guarded, warn


class Subscriber(keras.callbacks.Callback, Listener):  # type: ignore[misc]  # Keras has no type hints
    """Subscribes to the events of each ``fit`` whose callbacks it is one of.

    Keras calls ``set_params`` on all callbacks before ``on_train_begin`` on any of them, so the
    order of the callbacks list does not matter. The subscription ends with the fit: another fit,
    of the same model or of another, has events of its own. Without a `CollapseMonitor` in the same
    list there is nothing to show, which is reported when the fit begins.

    Copying a subscriber (tuners deep-copy callbacks for each trial) makes a fresh one with the same
    arguments.
    """

    async_safe = True
    _events: RunEvents | None = None
    _arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made: Self = super().__new__(cls)
        made._arguments = (args, kwargs)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        args, kwargs = self._arguments
        return type(self)(*args, **kwargs)

    def set_params(self, params: Any) -> None:
        """Subscribe to the events of the fit that is about to begin."""
        super().set_params(params)
        guarded(self, self._subscribe_to, params)

    def set_model(self, model: Any) -> None:
        """Take the model; an error, as of a model that cannot be referred to, costs nothing."""
        guarded(self, super().set_model, model)

    def _subscribe_to(self, params: Any) -> None:
        if self._events is not None:
            self._events.unsubscribe(self)
        self._events = events_of(params)
        self._events.subscribe(self)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Warn if no monitor takes part in this fit."""
        if self._events is None or not self._events.has_monitor:
            warn(
                f"{type(self).__name__} has nothing to report, since there is no monitor. Put a "
                "CollapseMonitor() into the same callbacks list.",
                stacklevel=2,
            )
