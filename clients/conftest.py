"""One service of `outbound-tasks dev` for all tests of the clients, and a folder that looks like a fresh clone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ROOT, Dev, start_dev


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share services stay together where several processes run the tests; each README is on its own."""
    for item in items:
        is_readme = item.path.name == "test_readmes.py"
        item.add_marker(pytest.mark.xdist_group(item.name if is_readme else item.path.parent.name))


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    yield from start_dev(tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="session")
def dev_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    yield from start_dev(tmp_path_factory.mktemp("dev-tls"), "--tls")


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
