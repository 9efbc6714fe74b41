"""One served site for all end-to-end tests, with a tiny corpus and a tiny subject."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import LiveSite, python
from tests.pipeline.conftest import subject_folder  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def site() -> Iterator[LiveSite]:
    """`manage.py serve` in an empty data folder."""
    data = Path(tempfile.mkdtemp(prefix="ew-e2e-"))
    live = LiveSite(data)
    live.start()
    yield live
    live.stop()
    shutil.rmtree(data)


@pytest.fixture(scope="session")
def tiny_config(site: LiveSite, subject_folder: Path) -> Path:  # noqa: F811 - the fixture
    """A config file (JSON) for a whole run that takes seconds: 60 composed tracks of 3 s."""
    corpus = site.data / "corpora" / "tiny"
    size = ("--tracks", "60", "--seconds", "3")
    python(site.data, "-m", "fixtures.corpus", "--out", str(corpus), *size)
    config: dict[str, Any] = {
        "corpus": {
            "path": str(corpus), "min_seconds": 1.0, "clip_seconds": 3.0,
            "train_share": 0.4, "validation_share": 0.3,
        },
        "subject": {"model": str(subject_folder), "hookpoints": ["decoder.layers.0.resid_post"]},
        "sae": {"expansions": [4], "ks": [4], "steps": 60, "batch_frames": 256, "aux_k": 8},
        "features": {"threshold": 0.0, "min_rate": 0.0, "max_rate": 1.0, "min_tracks": 3},
        "scores": {"min_tracks": 1},
        "machine": {"workers": 1, "batch_tracks": 4, "threads": 1},
    }  # fmt: skip
    path = site.data / "tiny.json"
    path.write_text(json.dumps(config))
    return path


@pytest.fixture(scope="session")
def finished(site: LiveSite, tiny_config: Path) -> int:
    """Number of a run that went through broker and worker; the open study `tiny` is made from it.

    The worker is killed on the way: the run continues after its last finished stage.
    """
    from tests.e2e.site import until

    number = int(site.prepare("run", str(tiny_config)))

    def begun() -> bool:
        return bool(site.query("SELECT 1 FROM studyapp_stagerecord WHERE state = 'done'"))

    def done() -> bool:
        [(state, error)] = site.query(f"SELECT state, error FROM studyapp_run WHERE id = {number}")
        assert state != "failed", error
        return bool(state == "done")

    until(begun, 200, "a stage is done")
    site.kill_worker()
    until(done, 400, "the run is done")
    site.manage(
        "create_study",
        "tiny",
        "--slug",
        "tiny",
        "--features",
        "10",
        "--trials",
        "2",
        "--practice",
        "1",
        "--languages",
        "en,de",
        "--open",
    )
    return number
