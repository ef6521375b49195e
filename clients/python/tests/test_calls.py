"""Calls of the real service: lists, writes and their keys, errors, TLS."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from blocking import Connect
from outbound_tasks import OutboundTasks, StatusCode, TaskError, v1

NINE, SIX = (datetime(2030, 6, 1, hour, tzinfo=timezone.utc) for hour in (9, 18))


def new_task(name: str = "June", **fields: Any) -> v1.NewOutboundTask:
    return v1.NewOutboundTask(name=name, start_time=NINE, end_time=SIX, **fields)


def error_of(call: Callable[[], Any]) -> TaskError:
    with pytest.raises(TaskError) as caught:
        call()
    return caught.value


def test_a_list_is_read_to_its_end_whatever_the_pages(service: Any) -> None:
    name = f"pages {uuid.uuid4().hex}"
    made = [service.create(new_task(f"{name} {n}")).task_id for n in range(7)]
    wanted = v1.ListOutboundTasksRequest(name=name, order_by=v1.TaskOrderBy.TASK_ORDER_BY_NAME)
    assert [task.task_id for task in service.tasks(wanted)] == made
    for limit in (1, 3, 7, 100):
        wanted.limit = limit
        pages = list(service.pages(wanted))
        assert [task.task_id for page in pages for task in page.tasks] == made
        assert {page.total for page in pages} == {7}
    second = service.list(v1.ListOutboundTasksRequest(name=name, limit=3, page=2))
    assert (second.total, len(second.tasks)) == (7, 3)
    # From a page on.
    wanted.limit, wanted.page = 3, 2
    assert [task.task_id for task in service.tasks(wanted)] == made[3:]
    assert (wanted.page, wanted.page_token) == (2, ""), "the caller's request is as it was"


def test_a_task_from_its_creation_to_its_end(service: Any) -> None:
    task = service.create(new_task(target=["a", "b"]))
    assert task.start_time.ToDatetime(timezone.utc) == NINE
    kind = v1.TaskAction
    started = service.act(task.task_id, kind.TASK_ACTION_START, "it is time")
    assert started.status == v1.TaskStatus.TASK_STATUS_RUNNING
    stale = error_of(lambda: service.act(task.task_id, kind.TASK_ACTION_PAUSE, etag=task.etag))
    assert (stale.code, stale.reason) == (StatusCode.ABORTED, "ETAG_MISMATCH")
    assert stale.metadata == {"etag": service.get(task.task_id).etag}
    ids = [f"customer {n}" for n in range(2500)]
    assert service.add_targets(task.task_id, ids).added_count == 2500
    assert [target.customer_id for target in service.targets(task.task_id)] == ["a", "b", *ids]
    for action in (kind.TASK_ACTION_PAUSE, kind.TASK_ACTION_RESUME, kind.TASK_ACTION_COMPLETE):
        service.act(task.task_id, action)
    refused = error_of(lambda: service.act(task.task_id, kind.TASK_ACTION_FAIL))
    assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "TRANSITION_NOT_ALLOWED")
    assert refused.allowed_actions == []
    event = v1.TaskEventKind
    assert [found.kind for found in service.events(task.task_id)] == [
        event.TASK_EVENT_KIND_CREATED,
        event.TASK_EVENT_KIND_STARTED,
        event.TASK_EVENT_KIND_TARGETS_ADDED,
        event.TASK_EVENT_KIND_PAUSED,
        event.TASK_EVENT_KIND_RESUMED,
        event.TASK_EVENT_KIND_COMPLETED,
    ]
    with pytest.raises(ValueError):
        service.act(task.task_id, kind.TASK_ACTION_UNSPECIFIED)


def test_an_error_has_all_that_the_service_says(service: Any) -> None:
    error = error_of(lambda: service.list(v1.ListOutboundTasksRequest(limit=5000, page=-1)))
    assert error.code is StatusCode.INVALID_ARGUMENT
    fields = {field.field: field for field in error.fields}
    assert fields.keys() == {"limit", "page"}
    assert fields["limit"].reason == "OUT_OF_RANGE"
    assert fields["limit"].parameters == {"min": "1", "max": "1000", "actual": "5000"}
    assert "1000" in fields["limit"].description
    assert error.request_id and error.request_id in str(error)
    pending = service.create(new_task()).task_id
    refused = error_of(lambda: service.act(pending, v1.TaskAction.TASK_ACTION_RESUME))
    assert refused.allowed_actions == ["start", "stop", "fail"]
    assert refused.metadata["status"] == "pending"
    assert error_of(lambda: service.get("nobody")).code is StatusCode.NOT_FOUND


def test_a_write_is_repeated_by_its_key(service: Any) -> None:
    request = v1.CreateOutboundTaskRequest(task=new_task(), idempotency_key=uuid.uuid4().hex)
    heads: list[dict[str, str]] = []
    first, second = (service.rpc.create_outbound_task(request, on_header=heads.append) for _ in range(2))
    assert first == second
    assert "idempotent-replayed" not in heads[0]
    assert heads[1]["idempotent-replayed"] == "true"
    assert heads[1]["x-request-id"]
    # Without a key of the caller each call has another one, and the caller's message stays as it is.
    request.idempotency_key = ""
    assert service.rpc.create_outbound_task(request).task.task_id != first.task.task_id
    assert request.idempotency_key == ""


def test_an_export_has_every_task(service: Any) -> None:
    name = f"export {uuid.uuid4().hex}"
    made = {service.create(new_task(name)).task_id for _ in range(3)}
    batches = list(service.rpc.export_outbound_tasks(v1.ExportOutboundTasksRequest(filter=v1.TaskFilter(name=name))))
    assert {task.task_id for batch in batches for task in batch.tasks} == made
    bad = v1.ExportOutboundTasksRequest(target_limit=-1)
    assert error_of(lambda: list(service.rpc.export_outbound_tasks(bad))).fields[0].field == "target_limit"


def test_keys_and_scopes(connect: Connect, dev: Any, service: Any) -> None:
    url = dev.variables["OUTBOUND_TASKS_URL"]
    unknown = connect(url, "otk_demo.00000000_wrong")
    assert error_of(lambda: unknown.list()).code is StatusCode.UNAUTHENTICATED
    # A function is asked for each call.
    keys = iter([dev.variables["OUTBOUND_TASKS_API_KEY"], "otk_no"])
    changing = connect(url, lambda: next(keys))
    assert changing.list().total > 0
    assert error_of(lambda: changing.list()).code is StatusCode.UNAUTHENTICATED
    assert service.can_write()


def test_a_key_is_made_used_and_revoked(service: Any, connect: Connect, dev: Any) -> None:
    name = f"python {uuid.uuid4().hex}"
    made = service.rpc.create_key(v1.CreateKeyRequest(name=name, scopes=[v1.KeyScope.KEY_SCOPE_READ]))
    reader = connect(dev.variables["OUTBOUND_TASKS_URL"], made.secret)
    reader.list(v1.ListOutboundTasksRequest(limit=1))
    assert not reader.can_write()
    assert error_of(lambda: reader.rpc.list_keys(v1.ListKeysRequest())).code == StatusCode.PERMISSION_DENIED
    listed = [key for key in service.rpc.list_keys(v1.ListKeysRequest(limit=1000)).keys if key.name == name]
    assert [(key.key_id, key.created_by != "", key.HasField("revoked_at")) for key in listed] == [(made.key.key_id, True, False)]
    assert service.rpc.revoke_key(v1.RevokeKeyRequest(key_id=made.key.key_id)).key.HasField("revoked_at")


def test_settings_come_from_the_environment(connect: Connect, dev: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OUTBOUND_TASKS_URL", "OUTBOUND_TASKS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="OUTBOUND_TASKS_URL"):
        OutboundTasks()
    with pytest.raises(ValueError, match="OUTBOUND_TASKS_API_KEY"):
        OutboundTasks("http://127.0.0.1:1")
    for name, value in dev.variables.items():
        monkeypatch.setenv(name, value)
    assert connect().list().total > 0


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://host", "http://", "http://user:secret@host", "http://host/path", "https://host?x"])
def test_an_address_is_checked(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        OutboundTasks(url, "otk_x")
    assert "secret" not in str(caught.value)


def test_a_service_that_cannot_be_reached_is_unavailable(connect: Connect) -> None:
    client = connect("http://127.0.0.1:1", "otk_x", timeout=2.0)
    error = error_of(lambda: client.list())
    assert error.code is StatusCode.UNAVAILABLE
    assert error.reason == ""


def test_tls(connect: Connect, dev_tls: Any, tmp_path: Path) -> None:
    url, key = (dev_tls.variables[name] for name in ("OUTBOUND_TASKS_URL", "OUTBOUND_TASKS_API_KEY"))
    assert url.startswith("https://")
    with_authority = connect(url, key, ca_file=dev_tls.variables["OUTBOUND_TASKS_CA_FILE"])
    assert with_authority.list().total > 0
    without = connect(url, key, timeout=2.0)
    assert error_of(lambda: without.list()).code is StatusCode.UNAVAILABLE
