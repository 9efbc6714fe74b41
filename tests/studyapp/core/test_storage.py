"""A file that several processes want to create at the same moment."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from django.conf import settings

from studyapp.core.storage import create_once

FILES = 150
SECONDS_APART = 0.004
WRITER = f"""
import sys, time
from pathlib import Path
from studyapp.core.storage import create_once
folder, name = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
start = float(input())
read = []
for number in range({FILES}):
    path = folder / str(number)
    while time.time() < start + number * {SECONDS_APART}:
        pass
    create_once(path, name * 2000)
    read.append(path.read_text())
print(*read)
"""


def test_of_two_processes_the_first_sets_the_content_and_both_read_it(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name], cwd=settings.BASE_DIR, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for name in ("a", "b")
    ]  # fmt: skip
    for one in writers:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    start = f"{time.time() + 0.2}\n"
    for one in writers:
        assert one.stdin is not None
        one.stdin.write(start)
        one.stdin.flush()
    first, second = (one.communicate()[0].split() for one in writers)
    assert first == second
    # How often either is first is up to the machine; that a file is one writer's whole text is not.
    assert set(first) <= {"a" * 2000, "b" * 2000}
    assert len(list(tmp_path.iterdir())) == len(first) == FILES


def test_an_existing_file_keeps_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "one"
    create_once(path, "ä", mode=0o600)
    create_once(path, "b")
    assert path.read_text(encoding="utf-8") == "ä"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
