"""Batch jobs that were paid for are fetched, whatever happened after they were created."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.labelers.remote.accounts import spent
from pipeline.labelers.remote.calls import unknown
from pipeline.store.ledger import Ledger
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.conftest import KEY
from tests.pipeline.labelers.gemini import many
from tests.pipeline.labelers.gemini.server import GeminiServer, serving
from tests.pipeline.labelers.gemini.test_money import DEARER, PRICE, ended, reasons
from tests.pipeline.labelers.gemini.test_service import LEDGER, change, label, settings


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)


def made(folder: Path, server: GeminiServer, *, known: int, events: tuple[str, ...]) -> None:
    """A run of three features whose first `known` are in a paid job; the process was killed when
    the ledger had only these events of it."""
    more = {"batch": True, "poll_seconds": 0.01, "attempts": 2, **DEARER}
    many.make(folder, known, settings(server, **more))
    label(folder)
    path = RunDirectory(folder / "run").path_of(LEDGER)
    kept = [one for one in Ledger(path).entries() if one["event"] in events]
    (folder / "again").mkdir()
    many.make(folder / "again", 3, settings(server, **more))
    (folder / "again/run" / LEDGER).parent.mkdir(exist_ok=True)
    (folder / "again/run" / LEDGER).write_text("".join(json.dumps(one) + "\n" for one in kept))


@pytest.mark.parametrize("known", [2, 3])
def test_a_paid_job_is_fetched_though_the_rest_is_asked_online(tmp_path: Path, known: int) -> None:
    with serving() as server:
        made(tmp_path, server, known=known, events=("asked", "submitted"))
        change(tmp_path / "again", batch=False)
        label(tmp_path / "again")
    assert len(server.jobs) == 1
    assert reasons(tmp_path / "again") == [""] * 3
    assert set(server.paid.values()) == {1}
    halves = known * PRICE / 2 + (3 - known) * PRICE
    assert spent(tmp_path / "again/run") == pytest.approx(halves)


@pytest.mark.parametrize(
    ("change_to", "says"),
    [
        ({"budget_dollars": 0.0005}, "nothing was asked"),
        ({"budget_dollars": 0.0005, "batch": False}, "nothing was asked"),
        ({}, "Gemini refuses a batch: HTTP 429"),
    ],
)
@pytest.mark.parametrize("events", [("asked", "submitted"), ("asked",)])
def test_paid_answers_are_fetched_though_nothing_new_may_be_asked(
    tmp_path: Path, change_to: dict[str, Any], says: str, events: tuple[str, ...]
) -> None:
    with serving() as server:
        made(tmp_path, server, known=2, events=events)
        folder = tmp_path / "again"
        change(folder, **change_to)
        server.batch_fault = 429
        assert says in ended(folder)
        assert spent(folder / "run") == pytest.approx(2 * PRICE / 2)
        server.batch_fault = 0
        change(folder, budget_dollars=1.0)
        label(folder)
    assert reasons(folder) == [""] * 3
    assert set(server.paid.values()) == {1}


def test_a_job_that_was_never_made_is_asked_and_counts_once(tmp_path: Path) -> None:
    with serving() as server:
        made(tmp_path, server, known=3, events=("asked",))
        server.jobs.clear()
        server.paid.clear()
        label(tmp_path / "again")
    assert reasons(tmp_path / "again") == [""] * 3
    assert set(server.paid.values()) == {1}
    assert spent(tmp_path / "again/run") == pytest.approx(3 * PRICE / 2)


def test_a_job_found_again_after_its_making_failed_counts_by_its_estimate(tmp_path: Path) -> None:
    with serving() as server:
        made(tmp_path, server, known=3, events=("asked",))
        ledger = Ledger(RunDirectory(tmp_path / "again/run").path_of(LEDGER))
        begun = ledger.entries()
        for one in begun:
            ledger.add({"event": "unanswered", "key": one["key"], "reason": "no batch: HTTP 503"})
        label(tmp_path / "again")
        again = [one for one in ledger.entries() if one["event"] == "asked"][len(begun) :]
    assert len(server.jobs) == 1
    assert [one["dollars"] for one in again] == [one["dollars"] for one in begun]
    assert spent(tmp_path / "again/run") == pytest.approx(3 * PRICE / 2)


def test_results_that_the_service_has_no_more_end_the_job(tmp_path: Path) -> None:
    with serving() as server:
        made(tmp_path, server, known=3, events=("asked", "submitted"))
        server.files.clear()
        assert "no longer has the batch job" in ended(tmp_path / "again")
        label(tmp_path / "again")
    assert reasons(tmp_path / "again") == [unknown("gemini")] * 3


def test_a_page_in_place_of_the_job_or_its_results_loses_none(tmp_path: Path) -> None:
    with serving() as server:
        made(tmp_path, server, known=3, events=("asked", "submitted"))
        server.page = True
        assert "out of reach" in ended(tmp_path / "again")
        server.page = False
        whole = dict(server.files)
        server.files.update(dict.fromkeys(whole, b"<html>Please log in</html>"))
        assert "a web page came instead of a batch's results" in ended(tmp_path / "again")
        server.files.update(whole)
        label(tmp_path / "again")
    assert reasons(tmp_path / "again") == [""] * 3
    assert set(server.paid.values()) == {1}
