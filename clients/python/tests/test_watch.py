"""Watches of the real service, and what ends them."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from typing import Any

from outbound_tasks import AsyncOutboundTasks, OutboundTasks, v1
from test_calls import new_task


def test_a_watch_sees_every_change(service: Any) -> None:
    name = f"watch {uuid.uuid4().hex}"
    before = service.create(new_task(name)).task_id
    watch = service.watch(v1.WatchOutboundTasksRequest(filter=v1.TaskFilter(name=name)))
    known: dict[str, v1.OutboundTask] = {}

    def read_until(wanted: dict[str, v1.TaskStatus]) -> None:
        while {task_id: task.status for task_id, task in known.items()} != wanted:
            update = next(watch)
            assert not update.anew
            for change in update.changes:
                if change.HasField("task"):
                    known[change.task_id] = change.task
                else:
                    del known[change.task_id]

    status = v1.TaskStatus
    read_until({before: status.TASK_STATUS_PENDING})
    after = service.create(new_task(name)).task_id
    service.act(after, v1.TaskAction.TASK_ACTION_START)
    read_until({before: status.TASK_STATUS_PENDING, after: status.TASK_STATUS_RUNNING})
    service.rpc.delete_outbound_task(v1.DeleteOutboundTaskRequest(task_id=before))
    read_until({after: status.TASK_STATUS_RUNNING})
    watch.close()
    assert list(watch) == []


def test_another_thread_ends_a_watch(dev: Any) -> None:
    with OutboundTasks(dev.variables["OUTBOUND_TASKS_URL"], dev.variables["OUTBOUND_TASKS_API_KEY"]) as service:
        live = threading.Event()
        with service.watch(on_state=lambda state: live.set() if state.kind == "live" else None) as watch:
            ended: list[bool] = []

            def iterate() -> None:
                for _ in watch:
                    pass
                ended.append(True)

            thread = threading.Thread(target=iterate)
            thread.start()
            assert live.wait(10)
            time.sleep(0.2)
            watch.close()
            thread.join(5)
            assert ended == [True]


def test_another_task_ends_a_watch(dev: Any) -> None:
    async def run() -> None:
        url, key = (dev.variables[name] for name in ("OUTBOUND_TASKS_URL", "OUTBOUND_TASKS_API_KEY"))
        async with AsyncOutboundTasks(url, key) as service:
            async with service.watch() as watch:
                asyncio.get_running_loop().call_later(0.5, watch.close)
                async for _ in watch:
                    pass
            # A cancelled task is cancelled, and its stream ends.
            watch = service.watch(v1.WatchOutboundTasksRequest(skip_initial=True))

            async def iterate() -> None:
                async for _ in watch:
                    pass

            task = asyncio.create_task(iterate())
            await asyncio.sleep(0.5)
            task.cancel()
            assert await asyncio.gather(task, return_exceptions=True) and task.cancelled()

    asyncio.run(asyncio.wait_for(run(), 20))
