"""The site is killed in the middle of a study: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.e2e.site import ROOT, LiveSite, environment, until

pytestmark = pytest.mark.xdist_group("e2e")
LISTENERS, TRIALS = 6, 5


def test_a_killed_site_loses_no_acknowledged_answer(site: LiveSite) -> None:
    site.prepare("study", "killed")
    log = site.data / "acknowledged.jsonl"
    command = ["manage.py", "simulate", "killed", "--participants", str(LISTENERS)]
    command += ["--url", site.url, "--log", str(log), "--concurrency", "3"]
    with subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment(site.data),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as walking:  # fmt: skip
        until(lambda: log.exists() and len(log.read_text().splitlines()) >= 8, 60, "8 answers")
        killed = site.kill_web()
        output, _ = walking.communicate(timeout=120)
    assert killed
    assert walking.returncode == 0, output
    assert f"completed  {LISTENERS} participations" in output
    acknowledged = [json.loads(line) for line in log.read_text().splitlines()]
    stored = site.query(
        "SELECT t.token, r.choice, r.confidence FROM studyapp_response r"
        " JOIN studyapp_trial t ON t.id = r.trial_id"
        " JOIN studyapp_participation p ON p.id = t.participation_id"
        " JOIN studyapp_study s ON s.id = p.study_id WHERE s.slug = 'killed'"
    )
    assert len(acknowledged) == len(stored) == LISTENERS * TRIALS
    assert {
        (line["trial"], line["answer"]["choice"], line["answer"]["confidence"])
        for line in acknowledged
    } == set(stored)
    assert "restarting it" in site.output.read_text()
    codes = site.query(
        "SELECT p.completion_code FROM studyapp_participation p"
        " JOIN studyapp_study s ON s.id = p.study_id WHERE s.slug = 'killed' AND p.simulated"
    )
    assert len(codes) == len(set(codes)) == LISTENERS
    assert all(code for (code,) in codes)
