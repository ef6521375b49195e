"""A service with low limits, and a driver of each client."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import builds
import pytest
from harness import PROGRAM, ROOT, Dev
from outbound_tasks import OutboundTasks
from support import Driver, Proxy, Server

HERE = Path(__file__).resolve().parent

# Limits that one caller reaches.
LIMITS = ("--min-request-timeout=5s", "--max-import-bytes=1KiB", "--failed-keys=40/10m", "--max-watches=12")

CLIENTS = ("python", "python-async", "typescript", "go", "java")

# Those that a machine need not have.
BUILDS = {"go": builds.go, "java": builds.java}

Commands = dict[str, list[str]]


@pytest.fixture(scope="session")
def server(dev: Dev, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service beside that of `dev`, on the same database."""
    server = Server(dev.variables["DATABASE_URL"], tmp_path_factory.mktemp("serve"), *LIMITS)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def own(dev: Dev) -> Iterator[OutboundTasks]:
    """The client of the tests themselves: it calls the service of `dev`, which is never killed."""
    with OutboundTasks(dev.variables["OUTBOUND_TASKS_URL"], dev.variables["OUTBOUND_TASKS_API_KEY"]) as client:
        yield client


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Commands | builds.Missing]:
    """The commands of each language that has to be built, or what it lacks."""
    found: dict[str, Commands | builds.Missing] = {}
    for language, build in BUILDS.items():
        try:
            found[language] = build(tmp_path_factory.mktemp(language))
        except builds.Missing as missing:
            found[language] = missing
    return found


@pytest.fixture(scope="session")
def commands(built: dict[str, Commands | builds.Missing]) -> Commands:
    """How to start the driver of each client that there is."""
    python = [sys.executable, str(HERE / "python_driver.py")]
    others = {name: found["driver"] for name, found in built.items() if isinstance(found, dict)}
    return {
        "python": [*python, "sync"],
        "python-async": [*python, "async"],
        "typescript": ["node", str(ROOT / "web/client/test/driver.mjs")],
        **others,
    }


@pytest.fixture(params=BUILDS)
def example(request: pytest.FixtureRequest, built: dict[str, Commands | builds.Missing]) -> list[str]:
    """The example of a language that has to be built."""
    found = built[request.param]
    if isinstance(found, builds.Missing):
        pytest.skip(f"{request.param}: {found}")
    return found["example"]


@pytest.fixture(scope="session")
def start(dev: Dev, commands: Commands) -> Callable[[str, str], Driver]:
    """Starts a driver that calls an address with a key of all scopes."""
    return lambda client, url: Driver(commands[client], url, dev.variables["OUTBOUND_TASKS_API_KEY"])


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, built: dict[str, Commands | builds.Missing]) -> str:
    name: str = request.param
    found = built.get(name)
    if isinstance(found, builds.Missing):
        pytest.skip(f"{name}: {found}")
    return name


@pytest.fixture(scope="session")
def reached(server: Server, start: Callable[[str, str], Driver]) -> Iterator[Callable[[str], tuple[Driver, Proxy]]]:
    """The driver of each client, which calls the service through a proxy of its own."""
    found: dict[str, tuple[Driver, Proxy]] = {}

    def reach(client: str) -> tuple[Driver, Proxy]:
        if client not in found:
            proxy = Proxy(server.port)
            found[client] = start(client, proxy.url), proxy
        return found[client]

    yield reach
    for driver, proxy in found.values():
        driver.close()
        proxy.close()


@pytest.fixture
def driver(client: str, reached: Callable[[str], tuple[Driver, Proxy]]) -> Driver:
    return reached(client)[0]


@pytest.fixture
def proxy(client: str, reached: Callable[[str], tuple[Driver, Proxy]]) -> Proxy:
    return reached(client)[1]


@pytest.fixture
def name() -> str:
    """A part of a name that only this test's tasks have."""
    return f"conformance {uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def make_key(dev: Dev) -> Callable[..., str]:
    """Makes another key of the tenant, with these options of `keys create`."""

    def make(*options: str) -> str:
        command = [PROGRAM, "keys", "create", "--tenant=demo", "--name=conformance", *options]
        made = subprocess.run(command, env=dev.variables, check=True, capture_output=True, text=True)
        return made.stdout.strip()

    return make
