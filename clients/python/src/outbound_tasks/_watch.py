"""A watch that survives lost connections, restarts of the service and the maximum age of connections."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from types import TracebackType

import grpc

from . import v1
from ._caller import Caller, Stream, task_error
from ._errors import TaskError
from ._methods import WATCH_OUTBOUND_TASKS
from ._watching import OnState, Watching, WatchUpdate, interrupted


class Watch(Iterator[WatchUpdate]):
    """Iterates over the updates of a watch. `close` ends it, also from another thread."""

    def __init__(
        self, caller: Caller, request: v1.WatchOutboundTasksRequest, on_state: OnState | None, silence: float
    ) -> None:
        self._caller = caller
        self._watching = Watching(request, on_state)
        self._silence = silence
        self._closed = threading.Event()
        self._call: Stream[v1.WatchOutboundTasksResponse] | None = None
        # Since when the next message is waited for. Time that the caller spends with an update is no silence.
        self._waiting_since: float | None = None
        self._is_silent = False
        # It holds the watch weakly, so that a forgotten watch ends.
        threading.Thread(target=_guard, args=(weakref.ref(self), self._closed, silence), daemon=True).start()

    def __next__(self) -> WatchUpdate:
        while not self._closed.is_set():
            try:
                return self._receive()
            except StopIteration:
                interruption = interrupted("the stream ended")
            except TaskError as error:
                interruption = error
            except grpc.RpcError as error:
                is_silent, self._is_silent = self._is_silent, False
                silence = interrupted(f"no message was received for {self._silence:g} s")
                interruption = silence if is_silent else task_error(error)
            self._drop()
            if not self._closed.is_set():
                self._closed.wait(self._pause_after(interruption))
        self._drop()
        raise StopIteration

    def close(self) -> None:
        """Ends the watch; its iteration ends without an error."""
        self._closed.set()
        self._drop()

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _receive(self) -> WatchUpdate:
        if self._call is None:
            self._call = self._caller.open(WATCH_OUTBOUND_TASKS, self._watching.next_request(), None)
            if self._closed.is_set():
                self._call.cancel()  # `close` came too early for this call
        self._waiting_since = time.monotonic()
        try:
            message = next(self._call)
        finally:
            self._waiting_since = None
        return self._watching.received(message)

    def _pause_after(self, error: TaskError) -> float:
        try:
            return self._watching.pause_after(error)
        except TaskError:
            self._closed.set()
            raise

    def _drop(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _end_if_silent(self) -> None:
        since, call = self._waiting_since, self._call
        if since is not None and call is not None and time.monotonic() - since > self._silence:
            self._is_silent = True
            call.cancel()


def _guard(watch: weakref.ref[Watch], closed: threading.Event, silence: float) -> None:
    """Ends streams that are silent for too long: the next message is waited for without a limit otherwise."""
    while not closed.wait(silence / 10):
        watched = watch()
        if watched is None:
            return
        watched._end_if_silent()
        del watched
