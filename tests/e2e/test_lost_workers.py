"""Workers killed in every stage, Redis killed, Redis emptied: nothing but time is lost."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

import pytest

from tests.e2e.site import LiveSite, until

pytestmark = pytest.mark.xdist_group("e2e")

STAGES = ("corpus", "activations", "sae", "features", "exemplars", "labels", "scores")
RECOVERED = 60.0
"""Seconds within which work must continue after a recovery."""


def _hashes(site: LiveSite, name: str) -> dict[str, dict[str, str]]:
    """Stage → file → SHA-256, from the run's manifest."""
    [(directory,)] = site.query(f"SELECT directory FROM studyapp_run WHERE name = '{name}'")
    path = site.data / directory / "manifest.json"
    stages = json.loads(path.read_text())["stages"]
    return {stage: entry["files"] for stage, entry in stages.items()}


def _job(site: LiveSite, run: int) -> tuple[str, int]:
    """State and fence of the run's job."""
    [(state, fence)] = site.query(
        f"SELECT state, fence FROM studyapp_job WHERE kind = 'run' AND target = {run}"
    )
    return state, fence


def _caught(site: LiveSite, run: int, stage: str) -> bool:
    """Wait until the worker is in that stage; False if the stage ended before it was seen."""
    sql = (
        "SELECT state, (SELECT state FROM studyapp_stagerecord WHERE run_id = r.id AND stage = ?)"
        " FROM studyapp_run r WHERE id = ?"
    )
    deadline = time.monotonic() + RECOVERED
    with closing(sqlite3.connect(site.data / "earwitness.sqlite3", timeout=20)) as database:
        while time.monotonic() < deadline:
            state, own = database.execute(sql, (stage, run)).fetchone()
            if own == "running":
                return True
            if state == "done" or own == "done":
                return False
            time.sleep(0.001)  # Some stages take a few hundredths of a second.
    raise AssertionError(f"{stage} did not begin within {RECOVERED} s")


def _killed_in(site: LiveSite, stage: str) -> tuple[str, int]:
    """Name and number of a run whose worker was killed in that stage."""
    for attempt in range(5):
        site.await_calm()
        name = f"again-{stage}-{attempt}"
        run = int(site.prepare("again", stage, name))
        if _caught(site, run, stage):
            site.kill_worker()
            return name, run
        _await_end(site, run)
        # A fresh worker has to load everything first, so its first stage takes longer.
        site.kill_worker()
    raise AssertionError(f"{stage} was always over before it was seen")


def _await_end(site: LiveSite, run: int) -> None:
    def ended() -> bool:
        [(state, error)] = site.query(f"SELECT state, error FROM studyapp_run WHERE id = {run}")
        assert state not in ("failed", "stopped"), error
        return bool(state == "done")

    until(ended, 240, "the run is done")


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_killed_in_a_stage_costs_no_result(
    site: LiveSite, finished: int, stage: str
) -> None:
    name, run = _killed_in(site, stage)
    killed = time.monotonic()
    until(lambda: _job(site, run)[1] >= 2, RECOVERED, "the job is claimed again")
    assert time.monotonic() - killed < RECOVERED
    _await_end(site, run)
    assert _hashes(site, name) == _hashes(site, "tiny")


def test_redis_emptied_and_killed_costs_no_result(site: LiveSite, finished: int) -> None:
    """The notification is lost while no worker runs; then the broker dies during the work."""
    site.await_calm()
    site.kill_worker()
    run = int(site.prepare("again", "sae", "redis"))
    site.broker().flushall()
    assert _caught(site, run, "sae")
    site.broker().flushall()
    site.kill_broker()
    _await_end(site, run)
    assert _hashes(site, "redis") == _hashes(site, "tiny")
    after = int(site.prepare("again", "scores", "after"))
    until(lambda: _job(site, after)[1] >= 1, RECOVERED, "work goes on after the broker's return")
    _await_end(site, after)
