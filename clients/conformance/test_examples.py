"""The examples run against the service."""

from __future__ import annotations

import os
import subprocess

from harness import Dev


def test_an_example_lists_writes_and_watches(example: list[str], dev: Dev) -> None:
    run = subprocess.run(
        example, env={**os.environ, **dev.variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
    )
    assert run.returncode == 0, run.stdout
    lines = run.stdout.splitlines()
    assert lines[0].endswith("tasks are running") and int(lines[0].split()[0]) > 0
    assert lines[1:] == [
        "TRANSITION_NOT_ALLOWED pause, stop, complete, fail",
        "the task is TASK_STATUS_RUNNING",
    ]
