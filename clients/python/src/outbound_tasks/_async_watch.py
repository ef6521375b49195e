"""The watch for asyncio: it survives lost connections, restarts of the service and the maximum age of connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType

import grpc.aio
from google.protobuf.message import Message

from . import v1
from ._async_caller import AsyncCaller, task_error
from ._errors import TaskError
from ._methods import WATCH_OUTBOUND_TASKS
from ._watching import OnState, Watching, WatchUpdate, interrupted


class AsyncWatch(AsyncIterator[WatchUpdate]):
    """Iterates over the updates of a watch. `close` ends it, also from another task of the loop."""

    def __init__(
        self, caller: AsyncCaller, request: v1.WatchOutboundTasksRequest, on_state: OnState | None, silence: float
    ) -> None:
        self._caller = caller
        self._watching = Watching(request, on_state)
        self._silence = silence
        self._closed = asyncio.Event()
        self._call: grpc.aio.UnaryStreamCall[Message, v1.WatchOutboundTasksResponse] | None = None

    async def __anext__(self) -> WatchUpdate:
        while not self._closed.is_set():
            try:
                return await self._receive()
            except TaskError as error:
                interruption = error
            except grpc.aio.AioRpcError as error:
                interruption = task_error(error)
            except asyncio.TimeoutError:
                interruption = interrupted(f"no message was received for {self._silence:g} s")
            except asyncio.CancelledError:
                if self._closed.is_set():
                    break  # `close` cancelled the stream, and nobody this task
                self.close()
                raise
            self._drop()
            await self._pause_after(interruption)
        self._drop()
        raise StopAsyncIteration

    def close(self) -> None:
        """Ends the watch; its iteration ends without an error."""
        self._closed.set()
        self._drop()

    async def __aenter__(self) -> AsyncWatch:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _receive(self) -> WatchUpdate:
        if self._call is None:
            self._call = self._caller.open(WATCH_OUTBOUND_TASKS, self._watching.next_request(), None)
        message = await asyncio.wait_for(self._call.read(), self._silence)
        if message is grpc.aio.EOF:
            raise interrupted("the stream ended")
        assert isinstance(message, v1.WatchOutboundTasksResponse)
        return self._watching.received(message)

    async def _pause_after(self, error: TaskError) -> None:
        try:
            pause = self._watching.pause_after(error)
        except TaskError:
            self._closed.set()
            raise
        try:
            await asyncio.wait_for(self._closed.wait(), pause)
        except asyncio.TimeoutError:
            pass

    def _drop(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
