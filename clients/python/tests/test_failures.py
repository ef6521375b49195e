"""Calls and watches that break, against a service that the test plays."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from outbound_tasks import StatusCode, TaskError, WatchState, _methods, v1

Play = Callable[..., Any]


def fail(context: grpc.ServicerContext, code: StatusCode, retry_after: float | None = None) -> None:
    """Ends the call with the code, and with a delay as the service gives it."""
    number: int = code.value[0]
    status = status_pb2.Status(code=number, message="played")
    if retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(retry_after * 1000))
        packed = AnyMessage()
        packed.Pack(retry)
        status.details.append(packed)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, "played")


def test_a_write_is_sent_again_with_the_same_key(played: Play) -> None:
    keys: list[str] = []

    def create(request: v1.CreateOutboundTaskRequest, context: grpc.ServicerContext) -> v1.CreateOutboundTaskResponse:
        keys.append(request.idempotency_key)
        if len(keys) < 3:
            fail(context, StatusCode.UNAVAILABLE)
        return v1.CreateOutboundTaskResponse(task=v1.OutboundTask(task_id="t"))

    assert played(CreateOutboundTask=create).create(v1.NewOutboundTask(name="x")).task_id == "t"
    assert len(keys) == 3
    assert len(set(keys)) == 1 and len(keys[0]) == 32


def test_only_what_a_retry_helps_is_sent_again(played: Play) -> None:
    calls = 0

    def get(request: v1.GetOutboundTaskRequest, context: grpc.ServicerContext) -> None:
        nonlocal calls
        calls += 1
        fail(context, {"busy": StatusCode.UNAVAILABLE, "gone": StatusCode.NOT_FOUND, "bad": StatusCode.INTERNAL}[request.task_id])

    client = played(GetOutboundTask=get)
    for task_id, most in (("gone", 1), ("bad", 1), ("busy", 4)):
        calls = 0
        with pytest.raises(TaskError):
            client.get(task_id)
        assert calls == most, task_id


def test_a_write_without_a_key_is_sent_once(played: Play) -> None:
    calls = 0

    def create(request: v1.CreateOutboundTaskRequest, context: grpc.ServicerContext) -> None:
        nonlocal calls
        calls += 1
        assert request.idempotency_key == ""
        fail(context, StatusCode.UNAVAILABLE)

    keyless = dataclasses.replace(_methods.CREATE_OUTBOUND_TASK, has_key=False)
    with pytest.raises(TaskError):
        played(CreateOutboundTask=create)._caller.unary(keyless, v1.CreateOutboundTaskRequest(), None, None)
    assert calls == 1


def test_the_service_says_when_to_come_back(played: Play) -> None:
    times: list[float] = []

    def get(request: v1.GetOutboundTaskRequest, context: grpc.ServicerContext) -> v1.GetOutboundTaskResponse:
        times.append(time.monotonic())
        if len(times) == 1:
            fail(context, StatusCode.UNAVAILABLE, 1.5)
        return v1.GetOutboundTaskResponse()

    client = played(GetOutboundTask=get)
    client.get("t")
    assert times[1] - times[0] >= 1.5
    # Not after the caller's timeout: then the error comes at once.
    times.clear()
    with pytest.raises(TaskError) as caught:
        client.rpc.get_outbound_task(v1.GetOutboundTaskRequest(task_id="t"), timeout=1.0)
    assert caught.value.retry_after == 1.5
    assert len(times) == 1


def test_a_call_ends_with_its_timeout(played: Play) -> None:
    client = played(GetOutboundTask=lambda request, context: time.sleep(1))
    with pytest.raises(TaskError) as caught:
        client.rpc.get_outbound_task(v1.GetOutboundTaskRequest(), timeout=0.1)
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED


def update(n: int) -> v1.WatchOutboundTasksResponse:
    return v1.WatchOutboundTasksResponse(resume_token=f"after {n}", changes=[v1.TaskChange(task_id=f"t{n}")])


def take(watch: Any, count: int) -> list[Any]:
    updates = [next(watch) for _ in range(count)]
    watch.close()
    return updates


def test_a_watch_resumes_after_the_last_message(played: Play) -> None:
    requests: list[v1.WatchOutboundTasksRequest] = []

    def watch(request: v1.WatchOutboundTasksRequest, context: grpc.ServicerContext) -> Iterator[Any]:
        requests.append(request)
        n = len(requests)
        yield update(n)
        if n == 1:
            fail(context, StatusCode.UNAVAILABLE, 0.0)
        if n == 3:
            fail(context, StatusCode.INTERNAL)
        if n == 4:
            time.sleep(0.5)

    states: list[WatchState] = []
    request = v1.WatchOutboundTasksRequest(filter=v1.TaskFilter(name="x"))
    updates = take(played(WatchOutboundTasks=watch).watch(request, on_state=states.append), 4)
    assert [change.task_id for update in updates for change in update.changes] == ["t1", "t2", "t3", "t4"]
    assert not any(update.anew for update in updates)
    assert [request.resume_token for request in requests] == ["", "after 1", "after 2", "after 3"]
    assert {request.filter.name for request in requests} == {"x"}
    assert [state.kind for state in states[:4]] == ["connecting", "live", "waiting", "connecting"]
    assert request.resume_token == "", "the caller's request is as it was"


def test_a_watch_that_lost_changes_begins_again(played: Play) -> None:
    tokens: list[str] = []

    def watch(request: v1.WatchOutboundTasksRequest, context: grpc.ServicerContext) -> Iterator[Any]:
        tokens.append(request.resume_token)
        yield update(len(tokens))
        if len(tokens) == 1:
            yield v1.WatchOutboundTasksResponse(list_again=True)
        else:
            yield update(3)

    updates = take(played(WatchOutboundTasks=watch).watch(), 3)
    assert [(update.anew, update.resume_token) for update in updates] == [
        (False, "after 1"), (True, "after 2"), (False, "after 3"),
    ]
    assert tokens[:2] == ["", ""]


def test_a_watch_ends_with_an_error_that_no_retry_resolves(played: Play) -> None:
    for code in (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED, StatusCode.INVALID_ARGUMENT):
        calls = 0

        def watch(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            nonlocal calls
            calls += 1
            yield update(1)
            fail(context, code)

        updates = played(WatchOutboundTasks=watch).watch()
        next(updates)
        with pytest.raises(TaskError) as caught:
            next(updates)
        assert caught.value.code is code
        with pytest.raises(StopIteration):
            next(updates)
        assert calls == 1


def test_a_silent_watch_counts_as_broken(played: Play) -> None:
    tokens: list[str] = []
    end = threading.Event()

    def watch(request: v1.WatchOutboundTasksRequest, context: grpc.ServicerContext) -> Iterator[Any]:
        tokens.append(request.resume_token)
        yield update(len(tokens))
        end.wait(20)

    states: list[WatchState] = []
    updates = take(played(WatchOutboundTasks=watch).watch(on_state=states.append, silence=0.3), 2)
    end.set()
    assert tokens == ["", "after 1"]
    assert [update.resume_token for update in updates] == ["after 1", "after 2"]
    waiting = [state for state in states if state.kind == "waiting"]
    assert waiting[0].error is not None and "no message was received" in waiting[0].error.message


def test_time_with_an_update_is_no_silence(played: Play) -> None:
    calls = 0

    def watch(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        nonlocal calls
        calls += 1
        yield update(1)
        yield update(2)
        time.sleep(0.5)

    updates = played(WatchOutboundTasks=watch).watch(silence=0.5)
    next(updates)
    time.sleep(1.0)
    assert next(updates).resume_token == "after 2"
    updates.close()
    assert calls == 1


def test_pauses_grow_with_jitter(played: Play) -> None:
    pauses: list[float] = []

    def watch(request: Any, context: grpc.ServicerContext) -> None:
        fail(context, StatusCode.UNAVAILABLE)

    def on_state(state: WatchState) -> None:
        if state.retry_in is not None:
            pauses.append(state.retry_in)
            if len(pauses) == 3:
                updates.close()

    updates = played(WatchOutboundTasks=watch).watch(on_state=on_state)
    assert list(updates) == []
    for pause, most in zip(pauses, (0.5, 1.0, 2.0), strict=True):
        assert most / 2 <= pause <= most
