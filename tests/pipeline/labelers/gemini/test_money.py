"""Spending: within the run's budget, once per question, and not for temporary faults."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import GeminiConfig, config_from_dict
from pipeline.errors import PipelineError
from pipeline.labelers.gemini.api import GeminiApi
from pipeline.labelers.remote.accounts import spent
from pipeline.labelers.remote.calls import Calls
from pipeline.labelers.remote.faults import is_final
from pipeline.labelers.remote.spending import Spending
from pipeline.progress import SilentProgress
from pipeline.run import _make
from pipeline.store.ledger import Ledger
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.conftest import KEY
from tests.pipeline.labelers.gemini import many
from tests.pipeline.labelers.gemini.server import GeminiServer, serving
from tests.pipeline.labelers.gemini.test_service import (
    LEDGER,
    MODEL,
    change,
    label,
    questions,
    rows_of,
    settings,
)

ESTIMATE = 0.0021
"""Estimated cost of a question in dollars, at $1 per million audio tokens."""
PRICE = 0.00386
"""Cost of one of the server's replies in dollars, by its own count and the same prices."""
DEARER = {"dollars_per_million_audio": 1.0}
SAES = ("layer0-n8-k2", "layer1-n8-k2", "layer2-n8-k2")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)


def replies(server: GeminiServer) -> int:
    return sum(server.paid.values())


def ended(folder: Path) -> str:
    """The line with which labelling ends; empty if the stage is done."""
    try:
        label(folder)
    except PipelineError as error:
        return str(error)
    return ""


def reasons(folder: Path) -> list[str]:
    return [row.reason for row in rows_of(folder) if row.rank == 1]


def test_who_asks_for_many_concepts_is_counted_for_them_before_the_first_reply(
    tmp_path: Path,
) -> None:
    """At five concepts' estimate the budget would cover all four, and be passed by each."""
    with serving() as server:
        many.make(tmp_path, 4, settings(server, budget_dollars=20 * ESTIMATE, concepts=5000))
        said = ended(tmp_path)
    assert "nothing was asked" in said
    assert not server.tries


def test_nothing_is_asked_if_all_saes_and_models_together_may_cost_more(tmp_path: Path) -> None:
    """The budget covers any one of the six, but not all of them."""
    methods = ["gemini", "gemini@gemini-3.8-flash"]
    with serving() as server:
        budget = settings(server, **DEARER, budget_dollars=20 * ESTIMATE)
        many.make(tmp_path, 4, budget, saes=SAES, labels={"methods": methods})
        said = ended(tmp_path)
    assert "for 24 questions of this run" in said
    assert "nothing was asked" in said
    assert not server.tries
    assert spent(tmp_path / "run") == 0


@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_budget_holds_over_saes_and_models_and_calls_under_way(
    tmp_path: Path, concurrency: int
) -> None:
    """Answers cost nearly twice the estimate, so that the budget ends within the third SAE."""
    methods = ["gemini", "gemini@gemini-3.8-flash"]
    budget = 30 * ESTIMATE
    with serving() as server:
        given = settings(server, **DEARER, budget_dollars=budget, concurrency=concurrency)
        many.make(tmp_path, 4, given, saes=SAES, labels={"methods": methods})
        said = ended(tmp_path)
        assert "the budget of $0.06 is spent" in said
        assert replies(server) * PRICE <= budget
        assert replies(server) == int(budget / PRICE)
        assert spent(tmp_path / "run") == pytest.approx(replies(server) * PRICE)
        ended(tmp_path)
        assert replies(server) == int(budget / PRICE)
        change(tmp_path, budget_dollars=1.0)
        label(tmp_path)
    assert set(server.paid.values()) == {2}, "once by each model"
    assert replies(server) == 24
    assert spent(tmp_path / "run") == pytest.approx(24 * PRICE)


def test_a_ceiling_is_a_budget_that_does_not_change_the_run(tmp_path: Path) -> None:
    many.make(tmp_path, 1, {"budget_dollars": 5.0})
    config, _ = many.opened(tmp_path)
    assert config.with_ceiling(2.0).gemini.budget_dollars == 2.0
    assert config.with_ceiling(9.0).gemini.budget_dollars == 5.0
    assert config.with_ceiling(-1.0).gemini.budget_dollars == 0.0
    assert "budget_dollars" in GeminiConfig.OPERATIONAL


@pytest.mark.parametrize("name", ["budget_dollars", "dollars_per_million_output"])
@pytest.mark.parametrize("value", [-0.1, float("nan")])
def test_a_price_or_budget_that_is_no_amount_is_refused(name: str, value: float) -> None:
    subject = {"model": "m", "hookpoints": ["decoder.layers.0.resid_post"]}
    with pytest.raises(PipelineError, match=f"{name} is (-0.1; it must be 0 or more|nan)"):
        config_from_dict({"subject": subject, "gemini": {name: value}})


def counted(entries: list[dict[str, Any]], run: str = "r", *, own: bool = False) -> float:
    spending = Spending(lambda reply: GeminiApi(GeminiConfig()).paid(MODEL, reply), run, own=own)
    for entry in entries:
        spending.take(entry)
    return spending.dollars


def test_a_call_whose_end_nobody_saw_counts_by_its_estimate() -> None:
    asked: dict[str, Any] = {"event": "asked", "key": "k", "run": "r", "dollars": 0.5}
    answered: dict[str, Any] = {"event": "answered", "key": "k", "dollars": 0.3, "reply": {}}
    assert counted([asked]) == 0.5
    assert counted([asked, answered]) == 0.3
    assert counted([asked, asked, answered]) == 0.8
    refused: dict[str, Any] = {"event": "unanswered", "key": "k", "reason": ""}
    assert counted([asked, refused]) == 0
    perhaps: dict[str, Any] = {"event": "unanswered", "key": "k", "reason": "", "perhaps": True}
    assert counted([asked, perhaps, asked, answered]) == 0.8


def test_what_other_runs_of_a_shared_ledger_spent_is_not_the_runs() -> None:
    theirs: dict[str, Any] = {"event": "asked", "key": "k", "run": "s", "dollars": 0.5}
    answered: dict[str, Any] = {"event": "answered", "key": "k", "dollars": 0.3, "reply": {}}
    assert counted([theirs, answered]) == 0
    assert counted([theirs, answered], "s") == 0.3


def test_a_ledger_from_before_runs_were_named_is_counted_by_its_replies() -> None:
    usage = {"promptTokenCount": 1_000_000, "candidatesTokenCount": 0}
    old: list[dict[str, Any]] = [
        {"event": "asked", "key": "k"},
        {"event": "answered", "key": "k", "reply": {"usageMetadata": usage}},
    ]
    assert counted(old, own=True) == pytest.approx(0.3)
    assert counted(old, own=False) == 0


@pytest.mark.parametrize("code", ["401", "402", "403", "404", "408", "429", "500", "503"])
def test_a_fault_that_passes_is_no_answer(tmp_path: Path, code: str) -> None:
    """After a fault of key, model, quota or service, a later start asks the rest."""
    down = [True]
    with serving(lambda number, tries: code if down[0] else "") as server:
        many.make(tmp_path, 4, settings(server, attempts=2, concurrency=2))
        said = ended(tmp_path)
        assert f"HTTP {code}" in said
        assert "\n" not in said
        assert replies(server) == 0
        assert spent(tmp_path / "run") == 0
        down[0] = False
        label(tmp_path)
    assert reasons(tmp_path) == [""] * 4
    assert set(server.paid.values()) == {1}


def test_the_line_is_an_error_of_the_run(tmp_path: Path) -> None:
    """`pipeline run` ends with that line instead of marking the stage as done."""
    with serving(lambda number, tries: "503") as server:
        many.make(tmp_path, 2, settings(server, attempts=1))
        config, directory = many.opened(tmp_path)
        with pytest.raises(PipelineError, match="stage labels is not done: Gemini: 2 questions"):
            _make(config, directory, "labels", progress=SilentProgress())
    assert not directory.is_done("labels")


def test_a_time_out_is_no_answer_but_may_have_been_paid_for(tmp_path: Path) -> None:
    down = [True]
    with serving(lambda number, tries: "hang" if down[0] else "") as server:
        many.make(tmp_path, 2, settings(server, attempts=1, timeout_seconds=1.0, concurrency=2))
        assert "no answer within 1 s" in ended(tmp_path)
        assert spent(tmp_path / "run") > 0
        down[0] = False
        change(tmp_path, timeout_seconds=60.0)
        label(tmp_path)
    assert reasons(tmp_path) == ["", ""]


def test_a_refused_connection_is_no_answer_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with serving() as server:
        many.make(tmp_path, 3, settings(server, base_url=nowhere, attempts=2))
        monkeypatch.setenv("EARWITNESS_GEMINI_URL", nowhere)
        assert "ConnectError" in ended(tmp_path)
        assert spent(tmp_path / "run") == 0
        change(tmp_path, base_url=server.url)
        monkeypatch.setenv("EARWITNESS_GEMINI_URL", server.url)
        label(tmp_path)
    assert reasons(tmp_path) == [""] * 3


def test_a_proxys_page_is_no_answer_and_costs_nothing(tmp_path: Path) -> None:
    down = [True]
    with serving(lambda number, tries: "page" if down[0] else "") as server:
        many.make(tmp_path, 2, settings(server, attempts=2))
        assert "a web page came instead of an answer" in ended(tmp_path)
        assert spent(tmp_path / "run") == 0
        down[0] = False
        label(tmp_path)
    assert reasons(tmp_path) == ["", ""]


def test_a_reply_that_nobody_can_read_costs_its_estimate(tmp_path: Path) -> None:
    with serving(lambda number, tries: "broken body") as server:
        many.make(tmp_path, 1, settings(server, **DEARER))
        label(tmp_path)
    assert spent(tmp_path / "run") == pytest.approx(ESTIMATE, rel=0.1)


def test_half_a_character_in_a_reply_does_not_stop_the_labels(tmp_path: Path) -> None:
    with serving(lambda number, tries: "half a character") as server:
        many.make(tmp_path, 1, settings(server))
        label(tmp_path)
    _, directory = many.opened(tmp_path)
    kept = directory.path_of(f"labels/{many.SAE}/gemini/replies.jsonl").read_text()
    assert json.loads(kept)["reply"]["responseId"] == "\ud800"
    assert reasons(tmp_path) == [""]


def test_one_question_that_never_gets_an_answer_stops_no_other(tmp_path: Path) -> None:
    bad = ["500"]
    with serving(lambda number, tries: bad[0] if number == 0 else "") as server:
        many.make(tmp_path, 6, settings(server, attempts=2, concurrency=2))
        assert "1 question has no answer yet" in ended(tmp_path)
        assert replies(server) == 5
        change(tmp_path, unanswered="fail")
        label(tmp_path)
        assert sorted(reasons(tmp_path))[-1].startswith("HTTP 500")
        _, directory = many.opened(tmp_path)
        directory.forget(["labels"])
        bad[0] = ""
        label(tmp_path)
    assert reasons(tmp_path) == [""] * 6
    assert set(server.paid.values()) == {1}


def test_an_outage_ends_before_every_question_had_all_its_tries(tmp_path: Path) -> None:
    with serving(lambda number, tries: "503") as server:
        many.make(tmp_path, 60, settings(server, attempts=2, concurrency=2))
        assert "no answer yet (no answer in 2 attempts: HTTP 503" in ended(tmp_path)
    assert len(server.tries) < 10


@pytest.mark.parametrize(
    ("reason", "final"),
    [
        ("refused: HTTP 400 INVALID_ARGUMENT: the sound is too long", True),
        ("refused: HTTP 413 : too large", True),
        ("refused: HTTP 400 FAILED_PRECONDITION: User location is not supported", False),
        ("refused: HTTP 400 INVALID_ARGUMENT: API key expired. Please renew the API key.", False),
        ("refused: HTTP 400 : <html><title>400 Bad Request</title>", False),
        ("HTTP 401 UNAUTHENTICATED: no such key", False),
        ("HTTP 400 INVALID_ARGUMENT: API key not valid", False),
        ("no answer in 5 tries: HTTP 503 UNAVAILABLE: overloaded", False),
        ("no answer in 5 tries: no answer within 120 s", False),
        ("refused: the batch job ended as JOB_STATE_EXPIRED without an answer", False),
        ("refused: Deadline expired before operation could complete.", False),
    ],
)
def test_an_old_ledgers_refusal_is_final_only_if_it_is_of_the_question(
    tmp_path: Path, reason: str, final: bool
) -> None:
    assert is_final(reason) == final
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.add({"event": "asked", "key": "k"})
    ledger.add({"event": "refused", "key": "k", "reason": reason})
    calls = Calls(ledger, "")
    assert bool(calls.reason("k")) == final
    assert not calls.in_progress("k")


def test_an_old_ledgers_outage_is_asked_again(tmp_path: Path) -> None:
    with serving() as server:
        many.make(tmp_path, 2, settings(server))
        _, asked = questions(tmp_path)
        ledger = Ledger(RunDirectory(tmp_path / "run").path_of(LEDGER))
        for one, reason in zip(
            asked, ("no answer in 5 tries: HTTP 503", "refused: HTTP 400 no"), strict=True
        ):
            ledger.add({"event": "asked", "key": one.key})
            ledger.add({"event": "refused", "key": one.key, "reason": reason})
        label(tmp_path)
    assert reasons(tmp_path) == ["", "refused: HTTP 400 no"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("broken answer", "malformed"),
        ("broken body", "malformed"),
        ("truncated", "cut"),
        ("blocked", "blocked"),
        ("empty", "empty"),
        ("400", "refused"),
    ],
)
def test_a_damaged_answer_is_asked_again_on_request_only(
    tmp_path: Path, fault: str, kind: str
) -> None:
    with serving(lambda number, tries: fault if number == 0 and not tries else "") as server:
        many.make(tmp_path, 3, settings(server))
        for again in ([], ["malformed", "cut", "blocked", "empty", "refused"], []):
            change(tmp_path, again=[one for one in again if one != kind])
            label(tmp_path)
            assert sum(server.tries.values()) == 3
        change(tmp_path, again=[kind])
        label(tmp_path)
        label(tmp_path)
    assert sum(server.tries.values()) == 4
    assert reasons(tmp_path) == [""] * 3


def test_each_start_pays_one_call_to_learn_that_the_model_is_still_another(tmp_path: Path) -> None:
    wrong = ["wrong model"]
    with serving(lambda number, tries: wrong[0]) as server:
        many.make(tmp_path, 20, settings(server, concurrency=8))
        for start in (1, 2, 3):
            assert f"{MODEL} was asked but gemini-0-cheap answered" in ended(tmp_path)
            assert replies(server) == start
        assert spent(tmp_path / "run") == pytest.approx(3 * 0.0019)
        wrong[0] = ""
        label(tmp_path)
    assert reasons(tmp_path) == [""] * 20
    assert replies(server) == 3 + 20


def batched(server: GeminiServer) -> dict[str, Any]:
    return settings(server, batch=True, poll_seconds=0.01, attempts=2)


@pytest.mark.parametrize("state", ["EXPIRED", "CANCELLED", "FAILED"])
def test_a_batch_that_ended_without_answers_is_asked_again(tmp_path: Path, state: str) -> None:
    with serving() as server:
        many.make(tmp_path, 3, batched(server))
        server.job_state = state
        assert f"the batch job ended as JOB_STATE_{state}" in ended(tmp_path)
        assert spent(tmp_path / "run") == 0
        server.job_state = "SUCCEEDED"
        label(tmp_path)
    assert len(server.jobs) == 2
    assert set(server.paid.values()) == {1}
    assert reasons(tmp_path) == [""] * 3


@pytest.mark.parametrize("fault", ["503", "14", "no line"])
def test_a_batch_that_failed_in_part_keeps_its_answers(tmp_path: Path, fault: str) -> None:
    down = [True]
    with serving(lambda number, tries: fault if number == 1 and down[0] else "") as server:
        many.make(tmp_path, 3, batched(server))
        assert "1 question has no answer yet" in ended(tmp_path)
        down[0] = False
        label(tmp_path)
    assert set(server.paid.values()) == {1}
    assert reasons(tmp_path) == [""] * 3


def test_another_models_answers_in_a_batch_are_kept_and_asked_again(tmp_path: Path) -> None:
    wrong = ["wrong model"]
    with serving(lambda number, tries: wrong[0] if number == 1 else "") as server:
        many.make(tmp_path, 3, batched(server))
        assert f"{MODEL} was asked but gemini-0-cheap answered" in ended(tmp_path)
        wrong[0] = ""
        label(tmp_path)
    assert reasons(tmp_path) == [""] * 3
    assert sorted(server.paid.values()) == [1, 1, 2]


def test_a_batch_over_the_budget_is_not_made(tmp_path: Path) -> None:
    with serving() as server:
        many.make(tmp_path, 3, {**batched(server), "budget_dollars": 0.0001})
        assert "over [gemini] budget_dollars" in ended(tmp_path)
    assert not server.jobs


def test_a_batch_whose_service_is_out_of_reach_is_asked_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        many.make(tmp_path, 2, batched(server))
        nowhere = "http://127.0.0.1:9"
        change(tmp_path, base_url=nowhere)
        monkeypatch.setenv("EARWITNESS_GEMINI_URL", nowhere)
        assert "out of reach" in ended(tmp_path)
        change(tmp_path, base_url=server.url)
        monkeypatch.setenv("EARWITNESS_GEMINI_URL", server.url)
        label(tmp_path)
    assert reasons(tmp_path) == ["", ""]
