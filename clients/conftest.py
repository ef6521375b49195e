"""One service of `outbound-tasks dev` for all tests of the clients, and a folder that looks like a fresh clone."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("PROGRAM", ROOT / "target/debug/outbound-tasks")).resolve()


@dataclass(frozen=True)
class Dev:
    """A running service, with the variables that `dev` writes for a shell."""

    folder: Path
    variables: dict[str, str]


def start_dev(folder: Path, *arguments: str) -> Iterator[Dev]:
    """Starts `outbound-tasks dev` on a free port, and stops it in the end."""
    command = [PROGRAM, "dev", "--listen", "127.0.0.1:0", "--data-dir", folder / "data", *arguments]
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


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    yield from start_dev(tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a fresh clone, with what is not committed yet, and without anything that was built."""
    folder = tmp_path_factory.mktemp("clone") / "outbound-tasks"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    for name in listed.split("\0"):
        source = ROOT / name
        if name.startswith(("clients/", "proto/", "web/", "LICENSE")) and (source.is_symlink() or source.exists()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name, follow_symlinks=False)
    return folder
