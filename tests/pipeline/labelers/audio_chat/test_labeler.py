"""`audio-chat` by a server that fails in every way: ledger, budget, schema, the key's host."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import AudioChatConfig, config_from_dict
from pipeline.errors import PipelineError
from pipeline.labelers import labeler
from pipeline.labelers.audio_chat.address import KEY, URL, endpoint_of
from pipeline.labelers.audio_chat.prices import VARIABLE
from pipeline.labelers.audio_chat.replies import is_model, tokens_of
from pipeline.labelers.remote import faults
from pipeline.labelers.remote.accounts import spent
from pipeline.labelers.remote.address import UNENCRYPTED
from tests.pipeline.labelers.gemini import many
from tests.pipeline.labelers.gemini.server import GeminiServer, serving
from tests.pipeline.labelers.gemini.test_service import label, rows_of

SECRET = "canary-chat-41c9e"
MODEL = "lab/listener"
METHOD = "audio-chat@lab--listener"
PRICE = (2800 * 40 + 200 * 2.5 + 400 * 10) / 1e6 + 0.001
"""Cost of one of the server's replies in dollars, by its own count."""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    for name in (URL, VARIABLE):
        # Set first, so that what a test sets is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def make(folder: Path, server: GeminiServer, features: int = 3, **chat: Any) -> None:
    given = {
        "prices": [f"{MODEL}=40/2.5/10/0.001"], "attempts": 3, "backoff_seconds": 0.01,
        "requests_per_minute": 1e6, "timeout_seconds": 60.0, **chat,
    }  # fmt: skip
    os.environ[URL] = f"{server.url}/v1"
    many.make(folder, features, {}, labels={"methods": [METHOD]}, audio_chat=given)


def change(folder: Path, **chat: Any) -> None:
    path = folder / "config.json"
    mapping = json.loads(path.read_text())
    mapping["audio_chat"].update(chat)
    path.write_text(json.dumps(mapping))


def ended(folder: Path) -> str:
    """The line with which labelling ends; empty if the stage is done."""
    try:
        label(folder)
    except PipelineError as error:
        return str(error)
    return ""


def reasons(folder: Path) -> list[str]:
    return [row.reason for row in rows_of(folder, METHOD) if row.rank == 1]


def test_answers_are_candidates_at_the_configs_price_and_the_key_is_nowhere(tmp_path: Path) -> None:
    with serving() as server:
        make(tmp_path, server)
        label(tmp_path)
        label(tmp_path)
    rows = [row for row in rows_of(tmp_path, METHOD) if row.feature.endswith("/0")]
    assert [row.confidence for row in rows] == [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    assert rows[0].provenance.startswith(f"{MODEL}, reply ")
    assert "schema" not in rows[0].provenance
    assert set(server.paid.values()) == {1}
    assert {one["authorization"] for one in server.heard} == {f"Bearer {SECRET}"}
    assert spent(tmp_path / "run") == pytest.approx(3 * PRICE)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


SAYS = {
    "broken answer": "malformed answer: its text is not JSON",
    "broken body": "malformed answer: the reply is not JSON",
    "echo": "malformed answer: its text is not JSON",
    "blocked": "blocked: the answer, for content_filter",
    "truncated": "truncated answer: the limit of tokens was reached",
    "empty": "empty answer: no choice",
    "400": "refused: HTTP 400 no, not with [key]",
}


def test_a_fault_of_an_answer_is_a_reason_and_one_of_the_service_is_asked_again(
    tmp_path: Path,
) -> None:
    lasting = [*SAYS, "half a character"]
    passing = ["429", "500", "503", "page", "502 inside", "broke off", "408"]

    def fault(number: int, tries: int) -> str:
        if number < len(lasting):
            return lasting[number]
        return passing[number - len(lasting)] if tries < 2 else ""

    with serving(fault) as server:
        make(tmp_path, server, len(lasting) + len(passing), concurrency=1)
        label(tmp_path)
        tried = sum(server.tries.values())
        label(tmp_path)
    assert sorted(reasons(tmp_path)) == sorted([*SAYS.values(), *[""] * (len(passing) + 1)])
    assert sum(server.tries.values()) == tried == len(lasting) + 3 * len(passing)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("fault", ["401", "402", "404", "429", "503", "502 inside", "wrong model"])
def test_an_outage_is_no_answer_and_a_later_start_asks_the_rest(tmp_path: Path, fault: str) -> None:
    down = [True]
    with serving(lambda number, tries: fault if down[0] else "") as server:
        make(tmp_path, server, attempts=2, concurrency=2)
        said = ended(tmp_path)
        assert "answered" in said or "HTTP" in said
        assert "\n" not in said
        assert SECRET not in said
        down[0] = False
        label(tmp_path)
    assert reasons(tmp_path) == [""] * 3


def test_an_answer_beside_an_empty_error_is_an_answer(tmp_path: Path) -> None:
    with serving(lambda number, tries: "empty error") as server:
        make(tmp_path, server, 1)
        label(tmp_path)
    assert reasons(tmp_path) == [""]
    assert set(server.tries.values()) == {1}


@pytest.mark.parametrize("is_router", [False, True])
def test_a_server_without_json_schema_is_asked_in_words_and_the_label_says_so(
    tmp_path: Path, is_router: bool
) -> None:
    with serving() as server:
        server.takes_schema, server.is_router = False, is_router
        make(tmp_path, server)
        label(tmp_path)
    rows = rows_of(tmp_path, METHOD)
    assert {row.status for row in rows} == {"ok"}
    assert all("; schema in words: the server takes no JSON schema" in r.provenance for r in rows)
    assert set(server.paid.values()) == {1}
    assert len(server.heard) == 4, "one refusal per start, and one call per feature"


def test_the_budget_holds_and_without_a_price_nothing_is_asked(tmp_path: Path) -> None:
    with serving() as server:
        make(tmp_path, server, 8, concurrency=1, budget_dollars=0.5)
        assert "the budget of $0.50 is spent" in ended(tmp_path)
        assert sum(server.paid.values()) == int(0.5 / PRICE)
        change(tmp_path, prices=["lab/other=1/1/1"])
        assert "has none for 'lab--listener', so no budget could hold" in ended(tmp_path)
        change(tmp_path, prices=[f"{MODEL}=40/2.5/10/0.001"], budget_dollars=0.01)
        assert "nothing was asked" in ended(tmp_path)
        assert sum(server.paid.values()) == int(0.5 / PRICE)
        change(tmp_path, budget_dollars=5.0)
        label(tmp_path)
    assert set(server.paid.values()) == {1}


def test_a_price_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "a/b:free=0/0/0, c=1/2/3")
    monkeypatch.setenv(URL, "http://127.0.0.1:9/v1")
    subject = {"model": "m", "hookpoints": ["decoder.layers.0.resid_post"]}
    config = config_from_dict({"subject": subject})
    labeler("audio-chat@a--b--free").ready(config)
    labeler("audio-chat@c").ready(config)
    with pytest.raises(PipelineError, match=r"\[audio_chat\] model is empty"):
        labeler("audio-chat").ready(config)


@pytest.mark.parametrize("entry", ["a", "a=1/2", "=1/2/3", "a=1/2/-3", "a=1/2/nan", "a=1/2/3/4/5"])
def test_a_price_of_another_form_is_refused(entry: str) -> None:
    with pytest.raises(PipelineError, match=r"write MODEL=AUDIO/TEXT/OUTPUT"):
        AudioChatConfig(prices=(entry,))


def test_the_key_goes_only_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = AudioChatConfig(base_url="https://attacker.example/v1")
    with pytest.raises(PipelineError, match="is sent only to the host that"):
        endpoint_of(elsewhere)
    monkeypatch.setenv(URL, "https://lab.example/v1/")
    assert endpoint_of(AudioChatConfig()) == "https://lab.example/v1/chat/completions"
    same = AudioChatConfig(base_url="https://lab.example/v2/chat/completions")
    assert endpoint_of(same) == "https://lab.example/v2/chat/completions"
    for url in ("https://lab.example:8443/v1", "http://lab.example/v1", "https://lab.example@x/v1"):
        with pytest.raises(PipelineError, match="is sent only to the host that"):
            endpoint_of(AudioChatConfig(base_url=url))
    monkeypatch.delenv(KEY)
    assert endpoint_of(elsewhere).startswith("https://attacker.example/")
    monkeypatch.setenv(KEY, "two\nlines")
    with pytest.raises(PipelineError, match="has a character that no key has"):
        endpoint_of(AudioChatConfig())


def test_a_key_is_not_sent_where_others_can_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, "http://lab.example:8000/v1")
    with pytest.raises(PipelineError, match=r"^lab\.example would get the key .* over http"):
        endpoint_of(AudioChatConfig())
    monkeypatch.setenv(UNENCRYPTED, "1")
    assert endpoint_of(AudioChatConfig()) == "http://lab.example:8000/v1/chat/completions"
    monkeypatch.delenv(UNENCRYPTED)
    for host in ("127.0.0.1:8000", "[::1]:8000", "localhost"):
        monkeypatch.setenv(URL, f"http://{host}/v1")
        endpoint_of(AudioChatConfig())
    # A server of one's own that needs no key may be anywhere.
    monkeypatch.setenv(URL, "http://lab.example/v1")
    monkeypatch.delenv(KEY)
    endpoint_of(AudioChatConfig())


def test_a_key_in_place_of_the_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for pasted in ("sk-very-secret", "https://lab.example:sk-very-secret/v1"):
        monkeypatch.setenv(URL, pasted)
        with pytest.raises(PipelineError, match="is not an address of") as refused:
            endpoint_of(AudioChatConfig())
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize("said", ["Model not found: x", "Insufficient Balance", "Rate limit: 3"])
def test_what_is_not_about_the_question_is_no_final_answer(said: str) -> None:
    assert not faults.is_final(f"refused: HTTP 400 {said}")
    assert faults.is_final("refused: HTTP 400 the audio is too long")


def test_a_redirection_does_not_take_the_key_along(tmp_path: Path) -> None:
    with serving(lambda number, tries: "307") as server:
        make(tmp_path, server, 1)
        assert "refuses: HTTP 307" in ended(tmp_path)
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("version", "asked", "same"),
    [
        ("gpt-audio-2026-01-15", "gpt-audio", True),
        ("openai/gpt-audio", "gpt-audio", True),
        ("gpt-audio", "openai/gpt-audio:free", True),
        ("google/gemini-3.5-flash-001", "google/gemini-3.5-flash", True),
        ("/models/Listener", "lab/listener", True),
        ("gpt-audio-mini", "gpt-audio", False),
        ("gpt", "gpt-audio", False),
        ("", "gpt-audio", False),
    ],
)
def test_which_name_in_a_reply_is_the_model_asked_for(version: str, asked: str, same: bool) -> None:
    assert is_model(version, asked) is same


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 7}, (100, 0, 7)),
        ({"prompt_tokens": 100, "prompt_tokens_details": {"audio_tokens": 60}}, (60, 40, 0)),
        ({"prompt_tokens": 100, "prompt_tokens_details": {"audio_tokens": 160}}, (100, 0, 0)),
        ({"prompt_tokens": 100, "prompt_tokens_details": None}, (100, 0, 0)),
        ({"prompt_tokens": "many"}, None),
        ({"prompt_tokens": -5}, None),
        ({}, None),
        ("a lot", None),
        (None, None),
    ],
)
def test_what_a_reply_does_not_count_costs_what_was_reserved(usage: Any, tokens: Any) -> None:
    assert tokens_of({"usage": usage}) == tokens
