"""Where the service is, and who calls it: arguments first, then the environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

ApiKeySource = str | Callable[[], str]
"""An API key, or a function that returns it for each call."""


def _version() -> str:
    try:
        return version("outbound-tasks")
    except PackageNotFoundError:  # used from the source, without an installation
        return "0"


# A page of a list may have 8 MiB, where gRPC's default is 4. A lost connection is noticed within 40 seconds even if
# nothing says so, and an address that could not be reached is tried again after at most 5 seconds.
OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.primary_user_agent", f"outbound-tasks-python/{_version()}"),
]


@dataclass(frozen=True)
class Settings:
    """How to reach the service."""

    target: str
    is_tls: bool
    api_key: ApiKeySource
    timeout: float
    ca_file: str | None
    client_cert: str | None
    client_key: str | None

    @classmethod
    def read(
        cls,
        url: str | None,
        api_key: ApiKeySource | None,
        timeout: float,
        ca_file: str | os.PathLike[str] | None,
        client_cert: str | os.PathLike[str] | None,
        client_key: str | os.PathLike[str] | None,
    ) -> Settings:
        """Raises ValueError if the address or the key is missing or cannot be one."""
        url = url or os.environ.get("OUTBOUND_TASKS_URL")
        api_key = api_key or os.environ.get("OUTBOUND_TASKS_API_KEY")
        if not url:
            raise ValueError("url or OUTBOUND_TASKS_URL must be set, such as http://127.0.0.1:8080")
        if not api_key:
            raise ValueError("api_key or OUTBOUND_TASKS_API_KEY must be set")
        parts = urlsplit(url)
        is_service = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/")
        if not is_service or parts.username is not None or parts.query or parts.fragment:
            # Without the address, which may hold a secret.
            raise ValueError("url must be a scheme and a host, such as http://127.0.0.1:8080 or https://tasks.example.com")
        is_tls = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        paths = [
            os.fspath(given) if given else os.environ.get(name)
            for given, name in (
                (ca_file, "OUTBOUND_TASKS_CA_FILE"),
                (client_cert, "OUTBOUND_TASKS_CLIENT_CERT"),
                (client_key, "OUTBOUND_TASKS_CLIENT_KEY"),
            )
        ]
        if bool(paths[1]) != bool(paths[2]):
            raise ValueError("client_cert and client_key must be given together")
        target = f"{host}:{parts.port or (443 if is_tls else 80)}"
        return cls(target, is_tls, api_key, timeout, *paths)

    def credentials(self) -> grpc.ChannelCredentials | None:
        """The credentials of a connection with TLS; none for a plain one."""
        if not self.is_tls:
            return None

        def read(path: str | None) -> bytes | None:
            return Path(path).read_bytes() if path else None

        return grpc.ssl_channel_credentials(read(self.ca_file), read(self.client_key), read(self.client_cert))

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata of a call."""
        key = self.api_key if isinstance(self.api_key, str) else self.api_key()
        return (("x-api-key", key),)
