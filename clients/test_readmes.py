"""The commands and programs of each client's README, run in an empty folder beside a fresh clone, as a reader runs them.

A block of code whose first line is a comment with a file name is written into that file. The `sh` blocks run in their
order, in one shell that has the variables of `dev`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from harness import ROOT, Dev

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"(?:#|//) (\w+\.\w+)\n")

# What a README's commands may take, in seconds; most of it is the download of packages.
LIMIT = 600


def script_of(page: str, folder: Path) -> str:
    """Writes the page's programs, and returns its commands. Each block of commands is announced by its line."""
    script = "set -e\n"
    for block in BLOCK.finditer(page):
        language, text = block.groups()
        if language == "sh":
            line = page[: block.start()].count("\n") + 1
            script += f"echo {shlex.quote(f'the block at line {line}:')} >&2\n{text}"
        elif name := NAME.match(text):
            (folder / name[1]).write_text(text)
    return script


@pytest.mark.parametrize("readme", ["web/client/README.md", "clients/python/README.md"])
def test_commands_and_programs_run(readme: str, dev: Dev, clone: Path, tmp_path: Path) -> None:
    folder = clone.parent / readme.replace("/", "-")
    folder.mkdir()
    script = script_of((ROOT / readme).read_text(), folder)
    # Each program of the page is run by one of its commands.
    programs = [path.name for path in folder.iterdir()]
    assert programs and all(program in script for program in programs), programs
    environment = {**os.environ, **dev.variables}
    # Python programs must find what the page installs, and not what these tests use.
    environment.pop("VIRTUAL_ENV", None)
    environment.pop("PYTHONPATH", None)
    run = subprocess.run(
        ["timeout", str(LIMIT), "sh", "-c", script],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    assert run.returncode == 0, run.stdout
