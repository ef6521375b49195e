"""What is generated fits the contract, and the types are strict."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


def run(*command: str) -> None:
    result = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert result.returncode == 0, result.stdout


def test_the_licence_is_that_of_the_project() -> None:
    # A copy: a link would lead out of the package's source archive.
    assert (HERE / "LICENSE").read_bytes() == (HERE.parent.parent / "LICENSE").read_bytes()


def test_the_generated_code_fits_the_contract() -> None:
    run(sys.executable, "generate.py", "--check")


def test_types_are_strict(tmp_path: Path) -> None:
    page = (HERE / "README.md").read_text(encoding="utf-8")
    programs = re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(programs) == page.count("```python")
    for name, text in programs:
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    # The tests of all clients too. mypy wants each name once, so only one conftest.py.
    paths = [path for folder in (HERE.parent, HERE.parent / "conformance") for path in folder.glob("*.py")]
    shared = [str(path) for path in paths if path.name != "conftest.py"]
    cache = Path(sys.prefix) / "mypy_cache"
    run(sys.executable, "-m", "mypy", "--cache-dir", str(cache), "src", "generate.py", "tests", str(tmp_path), *shared)
