"""The requests of the helpers, which the sync and the async client share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from . import _methods, v1
from ._method import Method

_NEXT = 1000  # the largest page of targets and events
_IDS = 500  # customer ids in a message: of 128 characters in four bytes each, so that it stays below 256 KiB


def first_page(request: v1.ListOutboundTasksRequest | None, limit: int = 0) -> v1.ListOutboundTasksRequest:
    """A copy, with the limit if the request has none."""
    page = v1.ListOutboundTasksRequest()
    if request is not None:
        page.CopyFrom(request)
    page.limit = page.limit or limit
    return page


def next_page(page: v1.ListOutboundTasksRequest, token: str) -> v1.ListOutboundTasksRequest:
    """The request of the page behind the token."""
    page.page = 0
    page.page_token = token
    return page


def targets_page(task_id: str, token: str) -> v1.ListTaskTargetsRequest:
    return v1.ListTaskTargetsRequest(task_id=task_id, page_token=token, limit=_NEXT)


def events_page(task_id: str, token: str) -> v1.ListTaskEventsRequest:
    return v1.ListTaskEventsRequest(task_id=task_id, page_token=token, limit=_NEXT)


def uploads(task_id: str, customer_ids: Sequence[str], key: str) -> Iterator[v1.AddTaskTargetsRequest]:
    """The messages of an upload; the first one has the key."""
    for start in range(0, max(1, len(customer_ids)), _IDS):
        message = v1.AddTaskTargetsRequest(task_id=task_id, customer_ids=customer_ids[start : start + _IDS])
        if start == 0:
            message.idempotency_key = key
        yield message


def new_key() -> str:
    """An idempotency key that nobody else has."""
    return uuid.uuid4().hex


# A dry run of a bulk change of no task: it changes nothing, and needs the scope `write`.
WRITE_PROBE = v1.BulkChangeOutboundTasksRequest(
    filter=v1.TaskFilter(task_ids=["-"]), action=v1.TaskAction.TASK_ACTION_STOP, dry_run=True
)

_ACTIONS: dict[int, Method[Any, Any]] = {
    v1.TaskAction.TASK_ACTION_START: _methods.START_OUTBOUND_TASK,
    v1.TaskAction.TASK_ACTION_PAUSE: _methods.PAUSE_OUTBOUND_TASK,
    v1.TaskAction.TASK_ACTION_RESUME: _methods.RESUME_OUTBOUND_TASK,
    v1.TaskAction.TASK_ACTION_STOP: _methods.STOP_OUTBOUND_TASK,
    v1.TaskAction.TASK_ACTION_COMPLETE: _methods.COMPLETE_OUTBOUND_TASK,
    v1.TaskAction.TASK_ACTION_FAIL: _methods.FAIL_OUTBOUND_TASK,
}


def action_method(action: int) -> Method[Any, Any]:
    """The rpc of an action; its answer has a `task`."""
    method = _ACTIONS.get(action)
    if method is None:
        raise ValueError(f"{action} is not an action")
    return method
