"""The embedded broker: where it listens, and a real server."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from studyapp.hosting import broker


def test_the_socket_is_in_the_data_folder() -> None:
    assert broker.socket_for(Path("/srv/ew")) == Path("/srv/ew/broker/redis.sock")


def test_a_long_data_folder_gets_its_own_short_socket() -> None:
    first, second = (broker.socket_for(Path("/srv") / ("x" * 90) / name) for name in "ab")
    for path in (first, second):
        assert len(os.fsencode(path)) <= broker.SOCKET_PATH_LIMIT
        assert path.is_relative_to(tempfile.gettempdir())
    assert first != second
    assert first == broker.socket_for(Path("/srv") / ("x" * 90) / "a")


def test_a_socket_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(broker.BrokerError, match="belongs to user"):
        broker.prepare_socket_folder(tmp_path / "redis.sock")


def test_a_socket_without_a_server_does_not_answer(tmp_path: Path) -> None:
    assert not broker.answers(f"redis+socket://{tmp_path / 'redis.sock'}")


def test_the_embedded_server_answers_and_keeps_nothing_on_disk(tmp_path: Path) -> None:
    path = broker.socket_for(tmp_path)
    broker.prepare_socket_folder(path)
    with subprocess.Popen(broker.server_command(path), stdout=subprocess.DEVNULL) as server:
        deadline = time.monotonic() + 20
        while not broker.answers(f"redis+socket://{path}"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        server.terminate()
        server.wait(timeout=20)
    assert list(path.parent.iterdir()) == []
