"""The async client with the face of the sync one, so that one test is for both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

Connect = Callable[..., Any]
"""Makes a client."""


class Blocking:
    """Runs what is awaitable in a loop, and iterates there."""

    def __init__(self, wrapped: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._wrapped = wrapped
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._wrapped, name)
        if not callable(found):
            return Blocking(found, self._loop)

        def call(*arguments: Any, **named: Any) -> Any:
            result = found(*arguments, **named)
            if inspect.isawaitable(result):
                return self._loop.run_until_complete(result)
            return Blocking(result, self._loop) if isinstance(result, AsyncIterator) else result

        return call

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._loop.run_until_complete(self._wrapped.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None
