"""Both clients, against the real service and against one that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from blocking import Blocking, Connect
from outbound_tasks import AsyncOutboundTasks, OutboundTasks, _methods


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients of one kind; the async ones with the face of the sync ones."""
    opened: list[Any] = []
    loop = asyncio.new_event_loop()

    def connect(*arguments: Any, **named: Any) -> Any:
        if request.param == "sync":
            client: Any = OutboundTasks(*arguments, **named)
        else:

            async def make() -> AsyncOutboundTasks:
                return AsyncOutboundTasks(*arguments, **named)

            client = Blocking(loop.run_until_complete(make()), loop)
        opened.append(client)
        return client

    yield connect
    for client in opened:
        client.close()
    loop.close()


@pytest.fixture
def service(connect: Connect, dev: Any) -> Any:
    """A client of the real service, with a key of all scopes."""
    return connect(dev.variables["OUTBOUND_TASKS_URL"], dev.variables["OUTBOUND_TASKS_API_KEY"])


@pytest.fixture
def played(connect: Connect) -> Iterator[Callable[..., Any]]:
    """A client of a service with these methods, each by its name in the contract: `(request, context) -> answer`, or
    an iterator of answers."""
    servers: list[grpc.Server] = []

    def play(**methods: Callable[[Any, grpc.ServicerContext], Any]) -> Any:
        known = {method.path.rsplit("/", 1)[1]: method for method in vars(_methods).values() if hasattr(method, "path")}
        handlers = {}
        for name, function in methods.items():
            make = grpc.unary_stream_rpc_method_handler if name.startswith("Watch") else grpc.unary_unary_rpc_method_handler
            handlers[name] = make(function, known[name].request.FromString, known[name].answer.SerializeToString)
        server = grpc.server(futures.ThreadPoolExecutor(8))
        service = "outboundtasks.v1.OutboundTaskService"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return connect(f"http://127.0.0.1:{port}", "otk_demo.1_secret")

    yield play
    for server in servers:
        server.stop(0)
