"""The driver of the Python client: `python_driver.py sync`, or `async`. README.md has its protocol."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # for blocking

from blocking import Blocking  # noqa: E402
from google.protobuf.json_format import MessageToDict, ParseDict  # noqa: E402
from outbound_tasks import AsyncOutboundTasks, OutboundTasks, TaskError, _methods, v1  # noqa: E402

KIND = sys.argv[1]
LOOP = asyncio.new_event_loop()
METHODS = {method.path.rsplit("/", 1)[1]: method for method in vars(_methods).values() if hasattr(method, "path")}


def connect(api_key: str | None = None) -> Any:
    if KIND == "sync":
        return OutboundTasks(api_key=api_key)

    async def make() -> AsyncOutboundTasks:
        return AsyncOutboundTasks(api_key=api_key)

    return Blocking(LOOP.run_until_complete(make()), LOOP)


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def error_of(error: TaskError) -> dict[str, Any]:
    return {
        "code": error.code.name,
        "message": error.message,
        "reason": error.reason,
        "fields": [{"field": bad.field, "reason": bad.reason, "parameters": bad.parameters} for bad in error.fields],
        "metadata": error.metadata,
        "has_request_id": bool(error.request_id),
        "retry_after": error.retry_after,
    }


def stream(method: Any, requests: list[Any]) -> Iterator[Any]:
    for request in requests:
        if request == "go":
            say({"ready": True})
            sys.stdin.readline()
        else:
            yield ParseDict(request, method.request())


async def async_stream(method: Any, requests: list[Any]) -> AsyncIterator[Any]:
    for request in requests:
        if request == "go":
            say({"ready": True})
            await asyncio.to_thread(sys.stdin.readline)
        else:
            yield ParseDict(request, method.request())


def call(client: Any, command: dict[str, Any]) -> dict[str, Any]:
    name = command["rpc"]
    method = METHODS[name]
    rpc = getattr(client.rpc, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
    named: dict[str, Any] = {"timeout": command["timeout"]} if "timeout" in command else {}
    heads: list[dict[str, str]] = []
    if "requests" in command:
        requests = (stream if KIND == "sync" else async_stream)(method, command["requests"])
        answer = MessageToDict(rpc(requests, on_header=heads.append, **named))
    else:
        request = ParseDict(command["request"], method.request())
        if name.startswith(("Watch", "Export")):
            answers: list[Any] = []
            for message in rpc(request, **named):
                answers.append(MessageToDict(message))
                if command.get("first"):
                    break
            return {"answer": answers, "replayed": False}
        answer = MessageToDict(rpc(request, on_header=heads.append, **named))
    return {"answer": answer, "replayed": heads[0].get("idempotent-replayed") == "true"}


def watch(client: Any, name: str) -> None:
    # The standard input ends with whoever drives this.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    for update in client.watch(v1.WatchOutboundTasksRequest(filter=v1.TaskFilter(name=name))):
        changes = [[change.task_id, change.task.etag if change.HasField("task") else None] for change in update.changes]
        say({"changes": changes, "anew": update.anew, "live": update.as_of is not None})


def main() -> None:
    client = connect()
    while line := sys.stdin.readline():
        command = json.loads(line)
        try:
            match command["do"]:
                case "list":
                    request = v1.ListOutboundTasksRequest(name=command["name"], limit=command["limit"])
                    say({"ids": [task.task_id for task in client.tasks(request)]})
                case "act":
                    action = v1.TaskAction.Value(f"TASK_ACTION_{command['action']}")
                    say({"etag": client.act(command["task_id"], action, command["reason"]).etag})
                case "call":
                    key = command.get("api_key")
                    say(call(connect(key) if key else client, command))
                case "watch":
                    watch(client, command["name"])
                case unknown:
                    raise ValueError(unknown)
        except TaskError as error:
            say({"error": error_of(error)})


if __name__ == "__main__":
    main()
