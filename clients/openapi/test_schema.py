"""What /openapi.json says about the service, against the service: schemathesis makes calls from it.

Each answer must have a status, a content type, headers and a body that the description names, and none may be a fault of the
service; calls without a key, or with a method that there is not, must be refused. Which other calls are accepted is not
compared: JSON Schema cannot say that two fields exclude each other, or that a token is one that the service gave.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Dev, start_dev

# They compare what is accepted.
UNSOUND = "positive_data_acceptance,negative_data_rejection"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Dev]:
    """A service of its own: the calls change and delete whatever there is."""
    yield from start_dev(tmp_path)


def test_answers_are_as_described(own: Dev) -> None:
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [
        program, "run", f"{own.variables['OUTBOUND_TASKS_URL']}/openapi.json", "--no-color",
        "--header", f"X-API-Key: {own.variables['OUTBOUND_TASKS_API_KEY']}",
        # Else a generated deadline of some milliseconds ends in 504, as described.
        "--header", "Connect-Timeout-Ms: 10000",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--generation-deterministic", "--no-shrink",
        "--continue-on-failure", "--suppress-health-check", "all", "--exclude-checks", UNSOUND,
        # The answer of a watch ends only with the patience of its caller.
        "--exclude-operation-id", "watchTasks",
    ]
    done = subprocess.run(command, cwd=own.folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No operations" not in done.stdout and "Tested:" in done.stdout, done.stdout
