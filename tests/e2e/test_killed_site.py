"""The site is killed in the middle of a study: no acknowledged answer is lost or duplicated."""

from __future__ import annotations

import json

import pytest

from tests.e2e.site import LiveSite

pytestmark = pytest.mark.xdist_group("e2e")
LISTENERS, TRIALS = 6, 5


def test_a_killed_site_loses_no_acknowledged_answer(site: LiveSite) -> None:
    site.prepare("study", "killed")
    log = site.data / "acknowledged.jsonl"
    with site.listeners("killed", count=LISTENERS, log=log) as output:
        killed = site.kill_web()
    assert killed
    assert f"completed  {LISTENERS} participations" in output[0]
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
