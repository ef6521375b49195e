"""The sync client."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from types import TracebackType

import grpc

from . import v1
from ._caller import Caller
from ._errors import TaskError
from ._method import Tries
from ._requests import WRITE_PROBE, action_method, events_page, first_page, new_key, next_page, targets_page, uploads
from ._rpcs import Rpcs
from ._settings import ApiKeySource, Settings
from ._watch import Watch
from ._watching import SILENCE, OnState


class OutboundTasks:
    """The service, called with one key. Safe to use from many threads.

    `url` is its address, such as `http://127.0.0.1:8080` or `https://tasks.example.com`; without it
    `OUTBOUND_TASKS_URL` of the environment. `api_key` is a key, or a function that returns it for each call; without it
    `OUTBOUND_TASKS_API_KEY`. `timeout` is that of a call, with all its tries, in seconds; streams have none. `ca_file`
    names the authorities of the service's certificate, in PEM form; without it `OUTBOUND_TASKS_CA_FILE`, else those that
    come with grpcio. `client_cert` and `client_key` are for a service that requires a certificate of its clients.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: ApiKeySource | None = None,
        *,
        timeout: float = 15.0,
        ca_file: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
    ) -> None:
        self._caller = Caller(Settings.read(url, api_key, timeout, ca_file, client_cert, client_key))
        self.rpc = Rpcs(self._caller)
        """All rpcs of the contract."""

    def close(self) -> None:
        """Closes the connection. Calls under way end."""
        self._caller.channel.close()

    def __enter__(self) -> OutboundTasks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def list(self, request: v1.ListOutboundTasksRequest | None = None) -> v1.ListOutboundTasksResponse:
        """One page of a list, with its exact total."""
        return self.rpc.list_outbound_tasks(first_page(request))

    def pages(self, request: v1.ListOutboundTasksRequest | None = None) -> Iterator[v1.ListOutboundTasksResponse]:
        """All pages of a list, from the first one or from the request's page. No task is skipped or repeated."""
        page = first_page(request)
        while True:
            answer = self.rpc.list_outbound_tasks(page)
            yield answer
            if not answer.next_page_token:
                return
            page = next_page(page, answer.next_page_token)

    def tasks(self, request: v1.ListOutboundTasksRequest | None = None) -> Iterator[v1.OutboundTask]:
        """All tasks of a list, over all its pages. Larger pages (`limit`, at most 1,000; here 200 by default) need fewer
        calls."""
        for page in self.pages(first_page(request, 200)):
            yield from page.tasks

    def get(self, task_id: str) -> v1.OutboundTask:
        """One task."""
        return self.rpc.get_outbound_task(v1.GetOutboundTaskRequest(task_id=task_id)).task

    def targets(self, task_id: str) -> Iterator[v1.TaskTarget]:
        """All targets of a task, in its order."""
        token = ""
        while True:
            page = self.rpc.list_task_targets(targets_page(task_id, token))
            yield from page.targets
            token = page.next_page_token
            if not token:
                return

    def events(self, task_id: str) -> Iterator[v1.TaskEvent]:
        """All events of a task, oldest first."""
        token = ""
        while True:
            page = self.rpc.list_task_events(events_page(task_id, token))
            yield from page.events
            token = page.next_page_token
            if not token:
                return

    def watch(
        self,
        request: v1.WatchOutboundTasksRequest | None = None,
        *,
        on_state: OnState | None = None,
        silence: float = SILENCE,
    ) -> Watch:
        """Reports tasks as they are created, change and disappear, for as long as the caller iterates. An interrupted
        stream, or one that is silent for `silence` seconds, is resumed after the last update. Raises a TaskError if a
        retry cannot help. `on_state` is called when the state of the watch changes."""
        return Watch(self._caller, request or v1.WatchOutboundTasksRequest(), on_state, silence)

    def create(self, task: v1.NewOutboundTask) -> v1.OutboundTask:
        """Creates a task, and returns it."""
        return self.rpc.create_outbound_task(v1.CreateOutboundTaskRequest(task=task)).task

    def act(self, task_id: str, action: v1.TaskAction, reason: str = "", *, etag: str = "") -> v1.OutboundTask:
        """Starts, pauses, resumes, completes, stops or fails a task, and returns the changed task. With an etag only if
        the task still has it."""
        method = action_method(action)
        request = method.request(task_id=task_id, reason=reason, etag=etag)
        task: v1.OutboundTask = self._caller.unary(method, request, None, None).task
        return task

    def add_targets(self, task_id: str, customer_ids: Sequence[str]) -> v1.AddTaskTargetsResponse:
        """Appends customers to a task: all of them, or none. Sent again, while the service is unavailable, with the same
        idempotency key."""
        key, tries = new_key(), Tries(math.inf)
        while True:
            try:
                return self.rpc.add_task_targets(uploads(task_id, customer_ids, key))
            except TaskError as error:
                time.sleep(tries.pause_after(error))

    def can_write(self) -> bool:
        """Whether the key has the scope `write`. Nothing is changed to find out."""
        try:
            self.rpc.bulk_change_outbound_tasks(WRITE_PROBE)
        except TaskError as error:
            if error.code is grpc.StatusCode.PERMISSION_DENIED:
                return False
            raise
        return True
