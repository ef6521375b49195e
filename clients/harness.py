"""What the tests of the clients share: the service as a process."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = str(Path(os.environ.get("PROGRAM", ROOT / "target/debug/outbound-tasks")).resolve())


@dataclass(frozen=True)
class Dev:
    """A running service, with the variables that `dev` writes for a shell."""

    folder: Path
    variables: dict[str, str]


def start_dev(folder: Path, *arguments: str) -> Iterator[Dev]:
    """Starts `outbound-tasks dev` on a free port, and stops it in the end."""
    command = [PROGRAM, "dev", "--listen", "127.0.0.1:0", "--data-dir", str(folder / "data"), *arguments]
    with open(folder / "dev.log", "wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        if not any(line.startswith("Press Ctrl-C to stop") for line in process.stdout):
            pytest.fail(f"dev did not start:\n{(folder / 'dev.log').read_text()}")
        words = shlex.split((folder / "data/dev.env").read_text(), comments=True)
        yield Dev(folder, dict(word.split("=", 1) for word in words if "=" in word))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
