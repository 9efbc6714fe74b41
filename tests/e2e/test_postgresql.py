"""The site on a real PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path

from tests import postgresql
from tests.e2e.site import python


def test_assignment_and_a_passage_on_postgresql(tmp_path: Path) -> None:
    with postgresql.server() as address:
        out = python(tmp_path, "-m", "tests.e2e.on_postgresql", DATABASE_URL=address)
    said = json.loads(out.splitlines()[-1])
    assert said == {
        "vendor": "postgresql",
        "arrived": 16,
        "cells": [4] * 16,
        "code": True,
        "rows": 3,
        "ready": [200, 200],
    }


def test_a_job_is_held_over_a_restart_of_the_database(tmp_path: Path) -> None:
    with postgresql.server() as address:
        out = python(tmp_path, "-m", "tests.e2e.outage_on_postgresql", DATABASE_URL=address)
    said = json.loads(out.splitlines()[-1])
    assert said == {"dropped": True, "lease_grew": True, "state": "done"}
