"""What the sync and the async watch share: what to ask for, what a message means, when to try again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal

import grpc

from . import v1
from ._errors import TaskError
from ._method import backoff

# A stream without a message for this long counts as dead, in seconds. Heartbeats come every 10.
SILENCE = 25.0

# Errors for which a retry cannot help.
FINAL = frozenset({
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
})


@dataclass(frozen=True)
class WatchUpdate:
    """A message of a watch."""

    changes: list[v1.TaskChange]
    """The changes, to be applied in this order; empty in a heartbeat."""
    anew: bool
    """Whether the watch begins again because it could not be resumed, so that earlier data may lack changes. With
    `skip_initial` list the tasks again; without it drop all earlier data, because the initial tasks follow."""
    as_of: datetime | None
    """The time up to which all changes have been reported; None while more of them follow."""
    resume_token: str
    """Resumes the watch after this update, also in another process; empty while initial tasks follow."""


@dataclass(frozen=True)
class WatchState:
    """The state of a watch: the stream is being opened, reports changes, or was interrupted and is tried again."""

    kind: Literal["connecting", "live", "waiting"]
    retry_in: float | None = None
    """With `waiting`: the pause before the next try, in seconds."""
    error: TaskError | None = None
    """With `waiting`: what interrupted the stream."""


OnState = Callable[[WatchState], None]


class Watching:
    """A watch over as many streams as necessary, without its input and output."""

    def __init__(self, request: v1.WatchOutboundTasksRequest, on_state: OnState | None) -> None:
        self._request = v1.WatchOutboundTasksRequest()
        self._request.CopyFrom(request)
        self._on_state = on_state
        self._token = request.resume_token
        # An update was received, so a start without a token is a new beginning.
        self._has_begun = False
        self._tries = 0
        self._anew = False

    def next_request(self) -> v1.WatchOutboundTasksRequest:
        """The request of the next stream."""
        self._tell(WatchState("connecting"))
        self._anew = self._has_begun and not self._token
        self._request.resume_token = self._token
        return self._request

    def received(self, message: v1.WatchOutboundTasksResponse) -> WatchUpdate:
        """What a message of the stream means. Raises a TaskError if the watch has to begin again."""
        if message.list_again:
            self._token, self._has_begun = "", True
            raise interrupted("this watch has lost changes")
        self._tries = 0
        self._tell(WatchState("live"))
        # The service reports `fresh` for each watch that begins without a token.
        anew = self._anew or (self._has_begun and message.fresh)
        self._token, self._has_begun, self._anew = message.resume_token, True, False
        as_of = message.as_of.ToDatetime(timezone.utc) if message.HasField("as_of") else None
        return WatchUpdate(list(message.changes), anew, as_of, message.resume_token)

    def pause_after(self, error: TaskError) -> float:
        """The pause before the next stream, in seconds. Raises the error if a retry cannot help."""
        if error.code in FINAL:
            raise error
        self._tries += 1
        pause = backoff(self._tries, error.retry_after)
        self._tell(WatchState("waiting", pause, error))
        return pause

    def _tell(self, state: WatchState) -> None:
        if self._on_state:
            self._on_state(state)


def interrupted(message: str) -> TaskError:
    """A stream that did not end with an error of the service."""
    return TaskError(message, grpc.StatusCode.UNAVAILABLE)
