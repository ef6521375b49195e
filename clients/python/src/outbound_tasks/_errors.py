"""Errors in a form that programs can act on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from . import v1

_DETAILS = "grpc-status-details-bin"


@dataclasses.dataclass(frozen=True)
class FieldViolation:
    """A violation of one field of a request."""

    field: str
    """The name of the field in the contract, such as `date_range.end`."""
    description: str
    """What is wrong with it, in English."""
    reason: str = ""
    """The name of a `ViolationReason` of the contract, such as `OUT_OF_RANGE`."""
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    """The parameters for a sentence in another language, such as `min`, `max` and `actual`; see errors.proto."""


class TaskError(Exception):
    """A failed call: an error of the service, or of the connection to it."""

    def __init__(
        self,
        message: str,
        code: grpc.StatusCode,
        *,
        reason: str = "",
        fields: Iterable[FieldViolation] = (),
        metadata: dict[str, str] | None = None,
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        """What happened, in a sentence."""
        self.code = code
        """The gRPC code; `UNAVAILABLE` also if the service could not be reached."""
        self.reason = reason
        """The name of an `ErrorReason` of the contract, such as `TASK_ENDED`, or of the code; empty without an answer."""
        self.fields = list(fields)
        """All field violations, with `INVALID_ARGUMENT`."""
        self.metadata = metadata or {}
        """The values that belong to the reason, such as `status`, `etag` and `count`."""
        self.request_id = request_id
        """The id of the request in the service's log; empty without an answer."""
        self.retry_after = retry_after
        """How long to wait before a retry, in seconds, if the service says so."""

    @property
    def allowed_actions(self) -> list[str]:
        """With `TRANSITION_NOT_ALLOWED`: the words of the actions that the status of the task allows, such as `pause`."""
        words = self.metadata.get("allowed_actions", "")
        return words.split(", ") if words else []

    def __str__(self) -> str:
        name = self.reason if self.reason else self.code.name
        return f"{name}: {self.message}" + (f" (request {self.request_id})" if self.request_id else "")


def from_status(
    code: grpc.StatusCode, message: str | None, metadata: Iterable[tuple[str, str | bytes]] | None
) -> TaskError:
    """An error of gRPC with the details of its trailing metadata."""
    request_id, details = "", b""
    more: list[dict[str, str]] = []
    for key, value in metadata or ():
        if key == "x-request-id" and isinstance(value, str):
            request_id = value
        elif key == _DETAILS and isinstance(value, bytes):
            details = value
    info, violations, retry_after = error_details_pb2.ErrorInfo(), [], None
    try:
        unpacked = status_pb2.Status.FromString(details).details
    except DecodeError:
        unpacked = []  # of something on the way, not of the service
    for detail in unpacked:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            violations.extend(bad.field_violations)
        elif detail.Is(v1.FieldViolations.DESCRIPTOR):
            # In the same order as those of BadRequest.
            own = v1.FieldViolations()
            detail.Unpack(own)
            more.extend(dict(violation.parameters) for violation in own.violations)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        elif detail.Is(error_details_pb2.RequestInfo.DESCRIPTOR):
            request = error_details_pb2.RequestInfo()
            detail.Unpack(request)
            request_id = request.request_id
    fields = [
        FieldViolation(bad.field, bad.description, bad.reason, more[n] if n < len(more) else {})
        for n, bad in enumerate(violations)
    ]
    return TaskError(
        message or code.name,
        code,
        reason=info.reason,
        fields=fields,
        metadata=dict(info.metadata),
        request_id=request_id,
        retry_after=retry_after,
    )
