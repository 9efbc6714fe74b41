"""Two hundred features, a server that fails in every way, and a process that is killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.cache import SharedTables
from pipeline.context import SaeContext, open_context
from pipeline.errors import PipelineError
from pipeline.labelers.gemini.api import GeminiApi
from pipeline.labelers.remote.calls import Calls, unknown
from pipeline.labelers.remote.costs import ledger_path
from pipeline.labelers.remote.questions import Question, question, sound_of
from pipeline.progress import SilentProgress
from pipeline.stages import labels
from pipeline.store.records import records_from
from pipeline.store.tables import LabelCandidate, OverallRecord
from tests.pipeline.conftest import KEY
from tests.pipeline.labelers.gemini import many
from tests.pipeline.labelers.gemini.server import GeminiServer, serving

FEATURES = 200
HANGS = (3, 103)
"""Before the kill and after it. Few: each takes as long as the time-out, which must be longer than
any answer takes on a machine under load, for what is given up too early is paid twice."""
MODEL = "gemini-3.5-flash-lite"
LEDGER = ledger_path("gemini")
SAYS = {
    "": "",
    "broken answer": "malformed answer: its text is not JSON",
    "broken body": "malformed answer: the reply is not JSON",
    "echo": "malformed answer: its text is not JSON",
    "blocked": "blocked: the question, for SAFETY",
    "truncated": "truncated answer: the limit of tokens was reached",
    "empty": "empty answer: no candidate",
    "400": "refused: HTTP 400 FAULT: no, not with [key]",
}
"""What a label says for each fault that lasts."""


def fault(number: int, tries: int) -> str:
    """Of every twenty questions nine go wrong; one of all is answered by another model at first,
    and one not at all by the first start."""
    first = {1: "429", 2: "500", 3: "503", 4: "503"}
    always = {
        5: "broken answer", 6: "broken body", 7: "blocked", 8: "truncated", 9: "400", 10: "echo",
        11: "empty",
    }  # fmt: skip
    if number == 120 and not tries:
        return "wrong model"
    if number == 140 and tries < 5:
        return "500"
    if number in HANGS:
        return "hang" if tries < 1 else ""
    if tries < 2 and number % 20 in first:
        return first[number % 20]
    return always.get(number % 20, "")


def settings(server: GeminiServer, **more: Any) -> dict[str, Any]:
    return {
        "base_url": server.url, "timeout_seconds": 60.0, "attempts": 4, "backoff_seconds": 0.02,
        "concurrency": 16, "requests_per_minute": 1e6, **more,
    }  # fmt: skip


def start(folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "GEMINI_API_KEY": KEY}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.pipeline.labelers.gemini.many", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
    )  # fmt: skip


def wait_until_paid(server: GeminiServer, process: subprocess.Popen[bytes], count: int) -> None:
    end = time.monotonic() + 300
    while sum(server.paid.values()) < count:
        assert process.poll() is None, "the process ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.002)


def rows_of(folder: Path, method: str = "gemini") -> list[LabelCandidate]:
    _, directory = many.opened(folder)
    return records_from(LabelCandidate, directory.read_table(f"labels/{many.SAE}/{method}.parquet"))


def test_every_feature_is_named_or_failed_with_a_reason_and_none_is_paid_twice(
    tmp_path: Path,
) -> None:
    with serving(fault) as server:
        server.hang_seconds = 300.0
        many.make(tmp_path, FEATURES, settings(server, timeout_seconds=12.0))
        process = start(tmp_path)
        wait_until_paid(server, process, 60)
        os.kill(process.pid, signal.SIGKILL)
        said = process.communicate()[0]
        _, directory = many.opened(tmp_path)
        assert not directory.is_done("labels")
        lost = in_progress(tmp_path)
        for _ in range(3):
            process = start(tmp_path)
            output = process.communicate(timeout=300)[0]
            said += output
            if process.returncode == 0:
                break
            assert b"gemini-0-cheap answered" in output or b"no answer yet" in output
    assert process.returncode == 0
    # What another model answered is kept, and counted, and is no answer: that one is asked again.
    assert {number for number, count in server.paid.items() if count > 1} <= {120}
    assert len(lost) <= 16
    assert reasons(rows_of(tmp_path)) == expected(tmp_path, server, lost)
    assert KEY.encode() not in said
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path


def questions(folder: Path) -> tuple[SaeContext, list[Question]]:
    config, directory = many.opened(folder)
    context = open_context(
        config, directory, many.SAE, progress=SilentProgress(), tables=SharedTables(directory)
    )
    api = GeminiApi(config.gemini)
    return context, [question(context, feature.feature, MODEL, api) for feature in context.features]


def in_progress(folder: Path) -> set[str]:
    """Features whose call had begun and not ended when the process was killed."""
    context, asked = questions(folder)
    calls = Calls(context.directory.ledger(LEDGER), "")
    return {one.feature for one in asked if calls.in_progress(one.key)}


def reasons(rows: list[LabelCandidate]) -> dict[str, str]:
    """Each feature's reason; empty if it was labelled, and no feature has both."""
    found: dict[str, str] = {}
    for row in rows:
        assert (row.status == "ok") == bool(row.text) == (not row.reason)
        assert found.setdefault(row.feature, row.reason) == row.reason
    return found


def expected(folder: Path, server: GeminiServer, lost: set[str]) -> dict[str, str]:
    """What each feature's row must say, from what the server did to its question."""
    context, asked = questions(folder)
    api = GeminiApi(context.config.gemini)
    sounds = [hashlib.sha256(sound_of(context, api, one)).hexdigest() for one in asked]
    assert len(set(sounds)) == FEATURES
    # A call that was killed before the server saw it has no number: under way it was all the same.
    return {
        one.feature: unknown("gemini")
        if one.feature in lost
        else SAYS[fault(server.sounds[sound], 9)]
        for one, sound in zip(asked, sounds, strict=True)
    }


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)


def label(folder: Path) -> None:
    """Run the stage as `pipeline.run` does: a reason why it is not done is an error."""
    config, directory = many.opened(folder)
    left = labels.run(config, directory, progress=SilentProgress())
    assert directory.is_done("labels") == (not left)
    if left:
        raise PipelineError(left)


def change(folder: Path, **gemini: Any) -> None:
    path = folder / "config.json"
    mapping = json.loads(path.read_text())
    mapping["gemini"].update(gemini)
    path.write_text(json.dumps(mapping))


@pytest.mark.usefixtures("key")
def test_concepts_by_confidence_are_candidates_and_the_overall_name_is_kept(tmp_path: Path) -> None:
    with serving() as server:
        many.make(tmp_path, 2, settings(server))
        label(tmp_path)
    rows = [row for row in rows_of(tmp_path) if row.feature.endswith("/0")]
    assert [row.confidence for row in rows] == [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    assert rows[0].provenance.startswith(f"{MODEL}, reply ")
    _, directory = many.opened(tmp_path)
    overall = records_from(
        OverallRecord, directory.read_table(f"labels/{many.SAE}/gemini/overall.parquet")
    )
    assert {row.name for row in overall} == {"overall 0", "overall 1"}
    assert not {row.name for row in overall} & {row.text for row in rows}
    replies = directory.path_of(f"labels/{many.SAE}/gemini/replies.jsonl").read_text().splitlines()
    assert [json.loads(line)["feature"] for line in replies] == [f"{many.SAE}/{n}" for n in (0, 1)]


@pytest.mark.usefixtures("key")
def test_nothing_is_asked_that_the_budget_does_not_cover(tmp_path: Path) -> None:
    with serving() as server:
        many.make(tmp_path, 5, settings(server, budget_dollars=0.001))
        with pytest.raises(PipelineError, match=r"over \[gemini\] budget_dollars of 0\.001"):
            label(tmp_path)
    assert not server.paid


@pytest.mark.usefixtures("key")
def test_the_method_stops_when_the_budget_is_spent_and_goes_on_when_it_is_raised(
    tmp_path: Path,
) -> None:
    with serving() as server:
        # Estimated at $0.0021 a feature; the server's replies count $0.0039.
        prices = {"dollars_per_million_audio": 1.0, "budget_dollars": 0.018}
        many.make(tmp_path, 8, settings(server, concurrency=1, **prices))
        with pytest.raises(PipelineError, match=r"the budget of \$0\.02 is spent"):
            label(tmp_path)
        assert 0 < len(server.paid) < 8
        change(tmp_path, budget_dollars=1.0)
        label(tmp_path)
    assert len(server.paid) == 8
    assert set(server.paid.values()) == {1}


@pytest.mark.usefixtures("key")
def test_several_models_stand_side_by_side(tmp_path: Path) -> None:
    with serving() as server:
        methods = ["gemini@gemini-3.8-flash", f"gemini@{MODEL}"]
        many.make(tmp_path, 2, settings(server), labels={"methods": methods})
        label(tmp_path)
    assert set(server.models) == {"gemini-3.8-flash", MODEL}
    assert all(row.status == "ok" for method in methods for row in rows_of(tmp_path, method))


@pytest.mark.usefixtures("key")
def test_a_batch_gives_the_same_labels_for_half_and_is_not_made_twice(tmp_path: Path) -> None:
    def wrong(number: int, tries: int) -> str:
        return {1: "400", 2: "blocked"}.get(number, "")

    with serving(wrong) as server:
        many.make(tmp_path, 5, settings(server, batch=True, poll_seconds=0.01))
        label(tmp_path)
        label(tmp_path)
    assert len(server.jobs) == 1
    failed = {row.feature[-1]: row.reason for row in rows_of(tmp_path) if row.status == "failed"}
    assert failed == {"1": "refused: HTTP 400 no", "2": "blocked: the question, for SAFETY"}
    assert len({row.feature for row in rows_of(tmp_path) if row.status == "ok"}) == 3


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.usefixtures("key")
def test_a_batch_whose_maker_was_killed_before_it_knew_the_name_is_found(
    tmp_path: Path, batch: bool
) -> None:
    with serving() as server:
        many.make(tmp_path, 3, settings(server, batch=True, poll_seconds=0.01))
        label(tmp_path)
        _, directory = many.opened(tmp_path)
        path = directory.path_of("labels/gemini-ledger.jsonl")
        begun = [line for line in path.read_text().splitlines() if '"event":"asked"' in line]
        path.write_text("\n".join(begun) + "\n")
        change(tmp_path, batch=batch)
        label(tmp_path)
    assert len(server.jobs) == 1
    assert set(server.paid.values()) == {1}
    assert all(row.status == "ok" for row in rows_of(tmp_path))


@pytest.mark.usefixtures("key")
def test_runs_that_share_a_ledger_pay_once(tmp_path: Path) -> None:
    with serving() as server:
        shared = str(tmp_path / "ledger.jsonl")
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            many.make(tmp_path / name, 3, settings(server, ledger=shared))
            label(tmp_path / name)
    assert len(server.paid) == 3
    assert set(server.paid.values()) == {1}
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")


def test_a_missing_key_is_one_line_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    with serving() as server:
        many.make(tmp_path, 2, settings(server))
        with pytest.raises(PipelineError, match="gemini needs a key: set GEMINI_API_KEY"):
            label(tmp_path)
    assert not server.tries


@pytest.mark.usefixtures("key")
def test_a_key_that_is_not_accepted_stops_the_method(tmp_path: Path) -> None:
    with serving(lambda number, tries: "403") as server:
        many.make(tmp_path, 40, settings(server, concurrency=2))
        with pytest.raises(PipelineError, match="Gemini refuses: HTTP 403") as refused:
            label(tmp_path)
    assert KEY not in str(refused.value)
    assert len(server.tries) <= 2


@pytest.mark.usefixtures("key")
def test_a_question_that_waits_for_another_try_when_the_method_stops_is_asked_again(
    tmp_path: Path,
) -> None:
    def wrong(number: int, tries: int) -> str:
        return {(0, 0): "500", (1, 0): "wrong model"}.get((number, tries), "")

    with serving(wrong) as server:
        many.make(tmp_path, 2, settings(server, backoff_seconds=600.0))
        with pytest.raises(PipelineError, match="gemini-0-cheap answered"):
            label(tmp_path)
        label(tmp_path)
    assert [row.reason for row in rows_of(tmp_path) if row.rank == 1] == ["", ""]
