"""What the sync and the async side share of a call: the method, its key, its deadline and its retries."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from ._errors import TaskError

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)

OnHeader = Callable[[dict[str, str]], None]
"""Called with the metadata of an answer, such as `x-request-id` and `idempotent-replayed`."""

# The first and the longest pause between two tries, in seconds.
_FIRST = 0.5
_LONGEST = 15.0

# How often a call is sent at most.
_MOST_TRIES = 4


@dataclass(frozen=True)
class Method(Generic[Q, A]):
    """An rpc: its path and the types of its messages, whether its request has an idempotency key, and whether it changes
    nothing."""

    path: str
    request: type[Q]
    answer: type[A]
    has_key: bool
    is_read: bool

    @property
    def is_repeatable(self) -> bool:
        """Whether a call that may have arrived can be sent again: it is done once."""
        return self.has_key or self.is_read

    def with_key(self, request: Q) -> Q:
        """The request with an idempotency key, which makes a retry safe. A key of the caller stays."""
        if not self.has_key or getattr(request, "idempotency_key"):
            return request
        copy = self.request()
        copy.CopyFrom(request)
        setattr(copy, "idempotency_key", uuid.uuid4().hex)
        return copy


def serialize(message: Message) -> bytes:
    return message.SerializeToString()


def backoff(tries: int, at_least: float | None = None) -> float:
    """The pause before try number `tries` + 1, in seconds. It doubles each time and is random between half of it and all
    of it, so that many clients do not return to a restarted service at the same instant."""
    most = min(_LONGEST, _FIRST * 2.0 ** min(tries - 1, 10))
    return max(at_least or 0.0, most * (0.5 + random.random() / 2))


class Tries:
    """The tries of one call, which share its timeout. A call that may not be repeated has one."""

    def __init__(self, timeout: float, *, is_repeatable: bool = True) -> None:
        self._ends = time.monotonic() + timeout
        self._most = _MOST_TRIES if is_repeatable else 1
        self._made = 0

    def remaining(self) -> float:
        """The rest of the timeout, in seconds."""
        return max(0.0, self._ends - time.monotonic())

    def pause_after(self, error: TaskError) -> float:
        """The pause before the next try. Raises the error if a retry does not help or comes too late."""
        self._made += 1
        pause = backoff(self._made, error.retry_after)
        is_retried = error.code is grpc.StatusCode.UNAVAILABLE and self._made < self._most
        if not is_retried or pause >= self.remaining():
            raise error
        return pause


def headers(*metadata: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str]:
    """The textual entries of metadata."""
    return {key: value for part in metadata for key, value in part or () if isinstance(value, str)}
