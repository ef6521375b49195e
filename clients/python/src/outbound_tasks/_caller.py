"""Sends calls over a sync channel, and turns their errors into TaskErrors."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

import grpc

from ._errors import TaskError, from_status
from ._method import A, Method, OnHeader, Q, Tries, headers, serialize
from ._settings import OPTIONS, Settings

A_co = TypeVar("A_co", covariant=True)


class Stream(Protocol[A_co]):
    """The answers of a call, as they come. gRPC has no public name for it."""

    def __iter__(self) -> Iterator[A_co]: ...
    def __next__(self) -> A_co: ...
    def cancel(self) -> object: ...


class Caller:
    """A channel and the settings of its calls. Safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        credentials = settings.credentials()
        self.channel = (
            grpc.insecure_channel(settings.target, OPTIONS)
            if credentials is None
            else grpc.secure_channel(settings.target, credentials, OPTIONS)
        )

    def unary(self, method: Method[Q, A], request: Q, timeout: float | None, on_header: OnHeader | None) -> A:
        """One request, one answer. Sent again while the service is unavailable, unless that could do a write twice."""
        request = method.with_key(request)
        send = self.channel.unary_unary(method.path, serialize, method.answer.FromString)
        total = self._settings.timeout if timeout is None else timeout
        tries = Tries(total, is_repeatable=method.is_repeatable)
        while True:
            try:
                answer, call = send.with_call(request, tries.remaining(), self._settings.metadata())
            except grpc.RpcError as error:
                time.sleep(tries.pause_after(task_error(error)))
                continue
            if on_header:
                on_header(headers(call.initial_metadata(), call.trailing_metadata()))
            return answer

    def client_stream(
        self, method: Method[Q, A], requests: Iterable[Q], timeout: float | None, on_header: OnHeader | None
    ) -> A:
        """A stream of requests, one answer. Not sent again: the requests may be gone."""
        send = self.channel.stream_unary(method.path, serialize, method.answer.FromString)
        try:
            answer, call = send.with_call(iter(requests), timeout, self._settings.metadata())
        except grpc.RpcError as error:
            raise task_error(error) from None
        if on_header:
            on_header(headers(call.initial_metadata(), call.trailing_metadata()))
        return answer

    def server_stream(self, method: Method[Q, A], request: Q, timeout: float | None) -> Iterator[A]:
        """One request, a stream of answers. The call ends when the caller leaves the iterator."""
        call = self.open(method, request, timeout)
        try:
            yield from call
        except grpc.RpcError as error:
            raise task_error(error) from None
        finally:
            call.cancel()

    def open(self, method: Method[Q, A], request: Q, timeout: float | None) -> Stream[A]:
        """The stream of answers as gRPC has it."""
        send = self.channel.unary_stream(method.path, serialize, method.answer.FromString)
        return send(request, timeout, self._settings.metadata())


def task_error(error: grpc.RpcError) -> TaskError:
    """The error of a call. What gRPC raises of a call is the call itself."""
    assert isinstance(error, grpc.Call)
    return from_status(error.code(), error.details(), error.trailing_metadata())
