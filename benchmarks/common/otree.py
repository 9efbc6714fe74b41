"""oTree's production server, installed from the package index into an environment of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common.served import ROOT, free_port, wait_for
from benchmarks.common.visitors import Timings, Visitor

PACKAGE = "otree==6.0.15"
PROJECT = ROOT / "benchmarks" / "otree_peer"


@contextmanager
def otree_server(sounds: list[bytes], people: int) -> Iterator[tuple[str, list[str], int]]:
    """Run oTree's production server with a session of that many participants; yields its address,
    the participants' codes, and the server's process id."""
    with tempfile.TemporaryDirectory(prefix="ew-otree-") as folder:
        home = Path(folder)
        venv.create(home / "env", with_pip=True)
        program = home / "env" / "bin"
        pip = [str(program / "python"), "-m", "pip", "install", "--quiet", PACKAGE]
        subprocess.run(pip, check=True)
        project = home / "project"
        subprocess.run(["cp", "-r", str(PROJECT), str(project)], check=True)
        static = project / "_static" / "listening"
        static.mkdir(parents=True)
        for number, data in enumerate(sounds, start=1):
            (static / f"sound{number}.flac").write_bytes(data)
        environment = {
            "PATH": f"{program}:{os.environ['PATH']}", "OTREE_PRODUCTION": "1",
            "OTREE_ADMIN_PASSWORD": "x", "OTREE_REST_KEY": "x",
        }  # fmt: skip
        otree = str(program / "otree")
        reset = [otree, "resetdb", "--noinput"]
        subprocess.run(reset, check=True, capture_output=True, cwd=project, env=environment)
        port = free_port()
        log = (home / "otree.log").open("wb")
        serve = [otree, "prodserver1of2", str(port)]
        server = subprocess.Popen(
            serve, stdout=log, stderr=log, cwd=project, env=environment, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/api/otree_version")
            yield url, _session(url, people), server.pid
        finally:
            # Also end its helper process, which would otherwise keep running.
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=60)
            log.close()


def _session(url: str, people: int) -> list[str]:
    """The codes of a new session's participants."""
    visitor = Visitor(url, Timings())
    headers = {"Content-Type": "application/json", "otree-rest-key": "x"}
    body = json.dumps({"session_config_name": "listening", "num_participants": people}).encode()
    made = json.loads(visitor.ask("api", "POST", "/api/sessions", body, **headers)[2])
    path = f"/api/sessions/{made['code']}"
    listed = json.loads(visitor.ask("api", "GET", path, b"", **headers)[2])
    return [one["code"] for one in listed["participants"]]
