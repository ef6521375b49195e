"""The outbound-tasks service from Python: lists, watches and changes outbound-call tasks over gRPC, sync and async.

Messages and enums are those of the contract: `outbound_tasks.v1` has them.
"""

from grpc import StatusCode

from . import v1
from ._async_client import AsyncOutboundTasks
from ._async_watch import AsyncWatch
from ._client import OutboundTasks
from ._errors import FieldViolation, TaskError
from ._settings import ApiKeySource
from ._watch import Watch
from ._watching import WatchState, WatchUpdate

__all__ = [
    "ApiKeySource",
    "AsyncOutboundTasks",
    "AsyncWatch",
    "FieldViolation",
    "OutboundTasks",
    "StatusCode",
    "TaskError",
    "Watch",
    "WatchState",
    "WatchUpdate",
    "v1",
]
