"""Child processes that are kept alive, given up on, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from studyapp.hosting.supervisor import QUICK_DEATHS, Child, ChildError, Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def said() -> list[str]:
    """The output of the supervisor."""
    return []


@pytest.fixture
def supervisor(said: list[str], tmp_path: Path) -> Iterator[Supervisor]:
    """A supervisor that ends its child processes with the test."""
    made = Supervisor(said.append, tmp_path)
    yield made
    made.stop()


def _wait(child: Child) -> None:
    assert child.process is not None
    child.process.wait()


def _pid(child: Child) -> int:
    assert child.process is not None
    return child.process.pid


def test_a_killed_child_is_started_again_with_a_line(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    child = Child("sleeper", SLEEP, tmp_path / "log")
    supervisor.start(child)
    first = _pid(child)
    os.kill(first, signal.SIGKILL)
    assert child.process is not None
    child.process.wait()
    supervisor.check()
    assert said == ["sleeper was killed by signal 9; restarting it"]
    assert _pid(child) != first


def test_a_child_that_dies_again_and_again_is_given_up(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    child = Child("broken", [sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log")
    supervisor.start(child)
    for _ in range(QUICK_DEATHS - 1):
        _wait(child)
        supervisor.check()
    _wait(child)
    with pytest.raises(ChildError, match="broken ended with status 3, 5 times within 30 s"):
        supervisor.check()
    assert len(said) == QUICK_DEATHS - 1


def test_stop_ends_every_child(said: list[str], tmp_path: Path) -> None:
    made = Supervisor(said.append, tmp_path)
    children = [Child(name, SLEEP, tmp_path / name) for name in "ab"]
    for child in children:
        made.start(child)
    processes = [child.process for child in children]
    made.stop()
    assert all(process is not None and process.returncode is not None for process in processes)


def test_children_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from studyapp.hosting.supervisor import Child, Supervisor;"
        f"child = Child('c', {SLEEP!r}, Path({str(tmp_path / 'log')!r}));"
        "Supervisor(print, Path.cwd()).start(child);"
        "print(child.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as own:
        assert own.stdout is not None
        pid = int(own.stdout.readline())
        own.kill()
    deadline = time.monotonic() + 10
    while _is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
