"""Every error that one caller can provoke is the same through every client."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from harness import PROGRAM, Dev
from outbound_tasks import OutboundTasks, v1
from support import Driver, new_task

# The reasons of other tests of this folder.
ELSEWHERE = {"OVERLOADED"}

# What one caller of the rpcs cannot provoke, or not in seconds.
NOT_HERE = {
    "UNSPECIFIED": "no reason",
    "SEPARATOR_IN_CUSTOMER_ID": "of exports in CSV, which are no rpc",
    "DATABASE_UNAVAILABLE": "the database has to go away",
    "DATABASE_BUSY": "needs other callers that use all connections",
    "DATABASE_READ_ONLY": "the database has to become read-only",
    "DATABASE_CONFLICT": "needs another writer at the same instant",
    "STOPPING": "the service has to stop",
    "OUTCOME_UNREADABLE": "needs another version of the service",
    "ANSWERS_UNREAD": "needs many answers that are not read, which a client library reads",
    "ANSWER_TOO_LARGE": "no answer that the limits of the rpcs allow is that large",
    "CLIENT_IDLE": "needs an upload that is silent for ten seconds",
}

# Why the TypeScript client takes no part.
NO_UPLOADS = "gRPC-Web has no streams of requests"

TIMES = {"startTime": "2030-06-01T09:00:00Z", "endTime": "2030-06-01T18:00:00Z"}


@dataclass
class Case:
    """A call that fails. `request` may name the values of the fixture `world`."""

    reason: str
    code: str
    rpc: str
    request: Callable[[dict[str, str]], Any]
    metadata: Callable[[dict[str, str]], dict[str, str]] = lambda world: {}
    fields: list[dict[str, Any]] = field(default_factory=list)
    options: Callable[[dict[str, str]], dict[str, Any]] = lambda world: {}
    is_stream: bool = False


def violation(name: str, reason: str, **parameters: str) -> dict[str, Any]:
    return {"field": name, "reason": reason, "parameters": parameters}


CASES = [
    Case(
        "INVALID_ARGUMENT", "INVALID_ARGUMENT", "ListOutboundTasks", lambda _: {"page": -1, "limit": 5000},
        fields=[
            violation("limit", "OUT_OF_RANGE", min="1", max="1000", actual="5000"),
            violation("page", "OUT_OF_RANGE", min="1", actual="-1"),
        ],
    ),
    Case("NOT_FOUND", "NOT_FOUND", "GetOutboundTask", lambda _: {"taskId": "nobody"}),
    Case(
        "ALREADY_EXISTS", "ALREADY_EXISTS", "CreateOutboundTask",
        lambda world: {"task": {"taskId": world["pending"], "name": "again", **TIMES}},
    ),
    Case(
        "UNAUTHENTICATED", "UNAUTHENTICATED", "GetQuota", lambda _: {},
        options=lambda _: {"api_key": "otk_demo.00000000_wrong"},
    ),
    Case(
        "SCOPE_MISSING", "PERMISSION_DENIED", "DeleteOutboundTask", lambda world: {"taskId": world["pending"]},
        metadata=lambda _: {"scope": "write"}, options=lambda world: {"api_key": world["read_key"]},
    ),
    Case(
        "TRANSITION_NOT_ALLOWED", "FAILED_PRECONDITION", "ResumeOutboundTask", lambda world: {"taskId": world["pending"]},
        metadata=lambda _: {"status": "pending", "allowed_actions": "start, stop, fail"},
    ),
    Case(
        "TASK_ENDED", "FAILED_PRECONDITION", "AddTaskTargets",
        lambda world: [{"taskId": world["stopped"], "customerIds": ["a"]}],
        metadata=lambda _: {"status": "stopped"}, is_stream=True,
    ),
    Case(
        "TOO_MANY_MATCHES", "FAILED_PRECONDITION", "BulkChangeOutboundTasks",
        lambda world: {"filter": {"name": world["many"]}, "action": "TASK_ACTION_STOP", "dryRun": True},
        metadata=lambda _: {"matched_count": "10001"},
    ),
    Case(
        "COUNT_NOT_AS_EXPECTED", "FAILED_PRECONDITION", "BulkChangeOutboundTasks",
        lambda world: {"filter": {"taskIds": [world["pending"]]}, "action": "TASK_ACTION_START", "expectedCount": 7},
        metadata=lambda _: {"count": "1"},
    ),
    Case(
        "ETAG_MISMATCH", "ABORTED", "UpdateOutboundTask",
        lambda world: {"task": {"taskId": world["stopped"], "etag": world["old_etag"], "name": "new"}},
        metadata=lambda world: {"etag": world["etag"]},
    ),
    Case(
        "IDEMPOTENCY_KEY_REUSED", "ABORTED", "CreateOutboundTask",
        lambda world: {"task": {"name": "another", **TIMES}, "idempotencyKey": world["used_key"]},
    ),
    Case(
        "MESSAGE_TOO_LARGE", "RESOURCE_EXHAUSTED", "BatchGetOutboundTasks", lambda _: {"taskIds": ["x" * 128] * 3000}
    ),
    Case(
        "IMPORT_TOO_LARGE", "RESOURCE_EXHAUSTED", "ImportOutboundTasks",
        # 3,000 bytes, in base64.
        lambda _: [{"options": {"format": "IMPORT_FORMAT_NDJSON"}}, {"chunk": "AAAA" * 1000}],
        is_stream=True,
    ),
    Case(
        "DEADLINE_TOO_SHORT", "DEADLINE_EXCEEDED", "GetQuota", lambda _: {}, options=lambda _: {"timeout": 4}
    ),
]


@pytest.fixture(scope="session")
def world(dev: Dev, own: OutboundTasks, make_key: Callable[..., str]) -> dict[str, str]:
    """What the cases need, by name."""
    pending, stopped = own.create(new_task("pending")), own.create(new_task("stopped"))
    old_etag = stopped.etag
    stopped = own.act(stopped.task_id, v1.TaskAction.TASK_ACTION_STOP)
    used_key = uuid.uuid4().hex
    own.rpc.create_outbound_task(v1.CreateOutboundTaskRequest(task=new_task("used"), idempotency_key=used_key))
    many = f"many {uuid.uuid4().hex}"
    line = json.dumps({"name": many, "start_time": "2031-01-01T09:00:00Z", "end_time": "2031-01-01T10:00:00Z"})
    command = [PROGRAM, "import", "-", "--tenant=demo", "--format=ndjson"]
    subprocess.run(command, env=dev.variables, input=f"{line}\n" * 10_001, check=True, text=True, capture_output=True)
    return {
        "pending": pending.task_id,
        "stopped": stopped.task_id,
        "old_etag": old_etag,
        "etag": stopped.etag,
        "used_key": used_key,
        "many": many,
        "read_key": make_key("--scope=read"),
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.reason)
def test_an_error_arrives_whole(driver: Driver, client: str, case: Case, world: dict[str, str]) -> None:
    if case.is_stream:
        if client == "typescript":
            pytest.skip(NO_UPLOADS)
        answer = driver.ask({"do": "call", "rpc": case.rpc, "requests": case.request(world), **case.options(world)})
    else:
        answer = driver.call(case.rpc, case.request(world), **case.options(world))
    error = answer.get("error")
    assert error, answer
    assert (error["code"], error["reason"]) == (case.code, case.reason), error
    assert error["metadata"] == case.metadata(world)
    assert sorted(error["fields"], key=lambda bad: bad["field"]) == case.fields
    assert error["message"] and error["has_request_id"]


def test_a_quota_that_is_used_up_says_when_to_come_back(driver: Driver, make_key: Callable[..., str]) -> None:
    key = make_key("--scope=read", "--rate=1/10m")
    for _ in range(2):
        answer = driver.call("ListOutboundTasks", {"limit": 1}, api_key=key)
    error = answer["error"]
    assert (error["code"], error["reason"]) == ("RESOURCE_EXHAUSTED", "QUOTA_USED_UP"), error
    assert error["metadata"] == {"quota": "key"}
    assert 60 < error["retry_after"] <= 600


def test_a_task_that_is_replaced_during_an_upload(driver: Driver, client: str, own: OutboundTasks) -> None:
    if client == "typescript":
        pytest.skip(NO_UPLOADS)
    task_id = own.create(new_task("replaced")).task_id
    for _ in range(5):
        parts = [{"taskId": task_id, "customerIds": ["a"]}, "go", {"customerIds": ["b"]}]
        assert driver.ask({"do": "call", "rpc": "AddTaskTargets", "requests": parts}) == {"ready": True}
        # The first message has to arrive before; where it did not, once more.
        time.sleep(0.3)
        own.rpc.delete_outbound_task(v1.DeleteOutboundTaskRequest(task_id=task_id))
        own.create(new_task("replaced", task_id=task_id))
        error = driver.ask({}).get("error")
        if error:
            break
    assert error and (error["code"], error["reason"]) == ("ABORTED", "TASK_REPLACED"), error


def test_too_many_calls_without_a_valid_key(driver: Driver) -> None:
    for _ in range(60):
        error = driver.call("GetQuota", {}, api_key="otk_demo.00000000_wrong")["error"]
        if error["code"] != "UNAUTHENTICATED":
            break
    assert (error["code"], error["reason"]) == ("RESOURCE_EXHAUSTED", "TOO_MANY_FAILED_KEYS"), error
    assert error["retry_after"] > 0
    # A valid key goes on.
    assert "answer" in driver.call("GetQuota", {})


def test_every_reason_of_the_contract_is_provoked_or_says_why_not() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in v1.ErrorReason.keys()}
    tested = {case.reason for case in CASES} & names
    tested |= {"QUOTA_USED_UP", "TASK_REPLACED", "TOO_MANY_FAILED_KEYS"} | ELSEWHERE
    assert tested | NOT_HERE.keys() == names
    assert not tested & NOT_HERE.keys()
