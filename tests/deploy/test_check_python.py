"""Which Pythons `make` takes, and what it says of the others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from requirements.check_python import TOOLS, problem
from tests.deploy.environments import PROJECT, ROOT


@pytest.mark.parametrize("minor", [11, 12, 13, 14])
def test_every_supported_python_is_taken(minor: int) -> None:
    assert problem((3, minor), TOOLS) == ""


@pytest.mark.parametrize("version", [(2, 7), (3, 10), (3, 15)])
def test_another_is_refused_with_what_to_do(version: tuple[int, int]) -> None:
    assert "3.11 to 3.14 is needed" in problem(version, TOOLS)
    assert "make PYTHON=" in problem(version, TOOLS)


def test_where_packages_are_compiled_a_missing_compiler_is_named() -> None:
    assert problem((3, 12), set()) == ""
    line = problem((3, 13), {"make"})
    assert "needs Python.h, c++. Install that (apt-get install build-essential" in line


def test_this_python_passes() -> None:
    script = ROOT / "requirements" / "check_python.py"
    done = subprocess.run([sys.executable, script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_package_takes_the_same_pythons() -> None:
    assert PROJECT["requires-python"] == ">=3.11,<3.15"
