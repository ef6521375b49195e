"""Sends calls over a channel of asyncio, and turns their errors into TaskErrors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from ._errors import TaskError, from_status
from ._method import A, Method, OnHeader, Q, Tries, headers, serialize
from ._settings import OPTIONS, Settings


class AsyncCaller:
    """A channel and the settings of its calls, for one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        credentials = settings.credentials()
        self.channel = (
            grpc.aio.insecure_channel(settings.target, OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(settings.target, credentials, OPTIONS)
        )

    async def unary(self, method: Method[Q, A], request: Q, timeout: float | None, on_header: OnHeader | None) -> A:
        """One request, one answer. Sent again while the service is unavailable, unless that could do a write twice."""
        request = method.with_key(request)
        send = self.channel.unary_unary(method.path, serialize, method.answer.FromString)
        total = self._settings.timeout if timeout is None else timeout
        tries = Tries(total, is_repeatable=method.is_repeatable)
        while True:
            call = send(request, timeout=tries.remaining(), metadata=self._metadata())
            try:
                answer = await call
            except grpc.aio.AioRpcError as error:
                await asyncio.sleep(tries.pause_after(task_error(error)))
                continue
            if on_header:
                on_header(headers(await call.initial_metadata(), await call.trailing_metadata()))
            return answer

    async def client_stream(
        self,
        method: Method[Q, A],
        requests: Iterable[Q] | AsyncIterable[Q],
        timeout: float | None,
        on_header: OnHeader | None,
    ) -> A:
        """A stream of requests, one answer. Not sent again: the requests may be gone."""
        send = self.channel.stream_unary(method.path, serialize, method.answer.FromString)
        # gRPC takes both kinds of iterables; its types say iterators.
        call = send(cast(Iterator[Q], requests), timeout=timeout, metadata=self._metadata())
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            raise task_error(error) from None
        if on_header:
            on_header(headers(await call.initial_metadata(), await call.trailing_metadata()))
        return answer

    async def server_stream(self, method: Method[Q, A], request: Q, timeout: float | None) -> AsyncIterator[A]:
        """One request, a stream of answers. The call ends when the iterator is closed."""
        call = self.open(method, request, timeout)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise task_error(error) from None
        finally:
            call.cancel()

    def open(self, method: Method[Q, A], request: Q, timeout: float | None) -> grpc.aio.UnaryStreamCall[Message, A]:
        """The stream of answers as gRPC has it."""
        send = self.channel.unary_stream(method.path, serialize, method.answer.FromString)
        return send(request, timeout=timeout, metadata=self._metadata())

    def _metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata(*self._settings.metadata())


def task_error(error: grpc.aio.AioRpcError) -> TaskError:
    """The error of a call."""
    return from_status(error.code(), error.details(), error.trailing_metadata())
