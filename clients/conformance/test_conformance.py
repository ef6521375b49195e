"""Every client in the same situations, on a real service."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable
from typing import Any

from outbound_tasks import OutboundTasks, TaskError, v1
from support import Driver, Proxy, Server, new_task, wait_until


def create(own: OutboundTasks, tasks: list[v1.NewOutboundTask]) -> list[str]:
    made = own.rpc.batch_create_outbound_tasks(v1.BatchCreateOutboundTasksRequest(tasks=tasks))
    return [task.task_id for task in made.tasks]


def delete(own: OutboundTasks, task_id: str) -> None:
    own.rpc.delete_outbound_task(v1.DeleteOutboundTaskRequest(task_id=task_id))


def test_a_list_loses_nothing_while_others_write(driver: Driver, own: OutboundTasks, name: str) -> None:
    stays = create(own, [new_task(name, 10 * n) for n in range(150)])
    done = threading.Event()
    errors: list[BaseException] = []

    def write() -> None:
        chance = random.Random(name)
        try:
            while not done.is_set():
                # Before, between and after the tasks that stay.
                made = create(own, [new_task(f"{name} comes and goes", chance.randrange(-100, 1600)) for _ in range(5)])
                for task_id in made[:4]:
                    delete(own, task_id)
        except BaseException as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for limit in (7, 50):
            ids = driver.ask({"do": "list", "name": name, "limit": limit})["ids"]
            assert len(ids) == len(set(ids)), "a task is listed twice"
            stayed = set(stays)
            assert [task_id for task_id in ids if task_id in stayed] == stays
    finally:
        done.set()
        writer.join()
    assert not errors


def test_watches_end_with_the_right_picture_after_kill_9(
    own: OutboundTasks, server: Server, commands: dict[str, list[str]], start: Callable[[str, str], Driver], name: str
) -> None:
    chance = random.Random(name)
    tasks = {task_id: v1.TaskStatus.TASK_STATUS_PENDING for task_id in create(own, [new_task(name, n) for n in range(30)])}

    def write(count: int) -> None:
        for _ in range(count):
            task_id = chance.choice(sorted(tasks))
            kind = chance.randrange(4)
            if kind == 0:
                tasks[create(own, [new_task(name, 0)])[0]] = v1.TaskStatus.TASK_STATUS_PENDING
            elif kind == 1 and len(tasks) > 10:
                delete(own, task_id)
                del tasks[task_id]
            elif tasks[task_id] == v1.TaskStatus.TASK_STATUS_PENDING:
                tasks[task_id] = own.act(task_id, v1.TaskAction.TASK_ACTION_START).status
            else:
                changed = v1.OutboundTask(task_id=task_id, name=f"{name} {chance.random()}")
                own.rpc.update_outbound_task(v1.UpdateOutboundTaskRequest(task=changed))

    pictures: dict[str, dict[str, str]] = {client: {} for client in commands}
    streams: dict[str, int] = dict.fromkeys(commands, 0)

    def apply(client: str, line: dict[str, Any]) -> None:
        picture = pictures[client]
        if line["anew"]:
            picture.clear()
            streams[client] += 1
        for task_id, etag in line["changes"]:
            if etag is None:
                picture.pop(task_id, None)
            else:
                picture[task_id] = etag

    def read(client: str, watcher: Driver) -> None:
        while "ended" not in (line := watcher.lines.get()):
            apply(client, line)

    def all_see(what: str) -> None:
        truth = {task.task_id: task.etag for task in own.tasks(v1.ListOutboundTasksRequest(name=name, limit=1000))}
        for client in commands:
            wait_until(lambda: pictures[client] == truth, f"{client} {what}: {pictures[client]} is not {truth}")

    watchers = {client: start(client, server.url) for client in commands}
    for client, watcher in watchers.items():
        threading.Thread(target=read, args=(client, watcher), daemon=True).start()
        watcher.send({"do": "watch", "name": name})
    try:
        all_see("sees the initial tasks")
        write(20)
        server.kill()
        write(20)
        server.start()
        write(20)
        all_see("sees the rest")
        # Nobody had to begin again: the changes were kept.
        assert set(streams.values()) == {0}, streams
    finally:
        for watcher in watchers.values():
            watcher.close()


def test_a_write_that_is_sent_twice_is_done_once(driver: Driver, own: OutboundTasks, name: str) -> None:
    task = {"name": name, "startTime": "2030-06-01T09:00:00Z", "endTime": "2030-06-01T18:00:00Z", "target": ["a", "b"]}
    request = {"task": task, "idempotencyKey": uuid.uuid4().hex}
    first, second = (driver.call("CreateOutboundTask", request) for _ in range(2))
    assert first["replayed"] is False
    assert second["replayed"] is True
    assert first["answer"] == second["answer"]
    assert own.list(v1.ListOutboundTasksRequest(name=name)).total == 1


def test_a_write_whose_answer_is_lost_is_done_once(driver: Driver, proxy: Proxy, own: OutboundTasks, name: str) -> None:
    task_id = create(own, [new_task(name, 0)])[0]
    own.act(task_id, v1.TaskAction.TASK_ACTION_START)
    # The client has its connection before answers are lost.
    driver.call("GetOutboundTask", {"taskId": task_id})
    proxy.loses_answers = True
    driver.send({"do": "act", "task_id": task_id, "action": "PAUSE", "reason": "lost"})
    wait_until(lambda: own.get(task_id).status == v1.TaskStatus.TASK_STATUS_PAUSED, "the write did not arrive")
    proxy.loses_answers = False
    proxy.cut()
    answer = driver.receive()
    # As the answer of the first try would have been, and no error that the task is paused already.
    assert answer.get("etag") == own.get(task_id).etag, answer
    kinds = [event.kind for event in own.events(task_id)]
    assert kinds.count(v1.TaskEventKind.TASK_EVENT_KIND_PAUSED) == 1


def test_more_watches_than_the_service_serves(driver: Driver, server: Server, dev: Any) -> None:
    with OutboundTasks(server.url, dev.variables["OUTBOUND_TASKS_API_KEY"]) as other:
        opened = []

        def refused() -> dict[str, Any] | None:
            try:
                while True:
                    watch = other.rpc.watch_outbound_tasks(v1.WatchOutboundTasksRequest(skip_initial=True))
                    next(watch)
                    opened.append(watch)
            except TaskError as error:
                assert error.reason == "OVERLOADED"
            found: dict[str, Any] | None = driver.call("WatchOutboundTasks", {}, first=True).get("error")
            return found

        # Watches of earlier tests may end meanwhile.
        while (error := refused()) is None:
            assert len(opened) <= 12
        assert (error["code"], error["reason"]) == ("UNAVAILABLE", "OVERLOADED"), error
        assert error["retry_after"] > 0
