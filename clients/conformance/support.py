"""The drivers, a service that can be killed, and a proxy that loses answers."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from harness import PROGRAM
from outbound_tasks import v1

# How long a test waits for something that should take moments, in seconds.
LIMIT = 90.0


def wait_until(holds: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < ends, what
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Driver:
    """A driver as a process. README.md has its protocol."""

    def __init__(self, command: list[str], url: str, api_key: str) -> None:
        environment = {**os.environ, "OUTBOUND_TASKS_URL": url, "OUTBOUND_TASKS_API_KEY": api_key}
        environment.pop("OUTBOUND_TASKS_CA_FILE", None)
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put({"ended": self._process.wait()})

    def send(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")

    def receive(self) -> dict[str, Any]:
        line = self.lines.get(timeout=LIMIT)
        assert "ended" not in line, line
        return line

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        self.send(command)
        return self.receive()

    def call(self, rpc: str, request: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.ask({"do": "call", "rpc": rpc, "request": request, **more})

    def close(self) -> None:
        """Ends the process, which must end by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()


class Server:
    """`outbound-tasks serve` on one port, also after it was killed."""

    def __init__(self, database_url: str, folder: Path, *arguments: str) -> None:
        self.port = free_port()
        self._log = folder / "serve.log"
        self._command = [PROGRAM, "serve", f"--listen=127.0.0.1:{self.port}", "--admin-listen=127.0.0.1:0", *arguments]
        self._environment = {**os.environ, "DATABASE_URL": database_url}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with open(self._log, "ab") as log:
            process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        self._process = process

        def is_up() -> bool:
            assert process.poll() is None, self._log.read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(is_up, "the service did not start")

    def kill(self) -> None:
        """As `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Proxy:
    """Passes bytes on to the service, or loses what it answers."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self.loses_answers = False
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Ends all connections."""
        for end in self._open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already
        self._open.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                service = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            self._open += [client, service]
            for source, sink, is_answer in ((client, service, False), (service, client, True)):
                threading.Thread(target=self._pass_on, args=(source, sink, is_answer), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(65536):
                if not (is_answer and self.loses_answers):
                    sink.sendall(data)
        except OSError:
            pass  # the other end has ended
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def new_task(name: str, minutes: int = 0, task_id: str = "") -> v1.NewOutboundTask:
    """A task that starts so many minutes after the first of 2030."""
    start = datetime(2030, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=minutes)
    return v1.NewOutboundTask(task_id=task_id, name=name, start_time=start, end_time=start + timedelta(hours=1))
