"""Usable parts of paid answers are used: in a wrapper, with a bad part, without an end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.config import GeminiConfig
from pipeline.labelers.gemini.api import GeminiApi
from pipeline.labelers.remote.answers import UnusableAnswer
from tests.pipeline.labelers.gemini.server import reply_of

MODEL = "gemini-3.5-flash-lite"
API = GeminiApi(GeminiConfig())
BEAT = {"name": "steady beat", "confidence": 0.9, "description": "d"}
BELLS = {"name": "bells", "confidence": 0.5, "description": "e"}
WHOLE = {
    "concepts": [BEAT, BELLS], "overall_name": "o", "overall_summary": "s",
    "overall_confidence": 0.7,
}  # fmt: skip
TEXT = json.dumps(WHOLE, indent=1)


def names(text: str, finish: str = "STOP") -> list[str]:
    return [one.name for one in API.answer_of(reply_of(text, MODEL, finish), MODEL).concepts]


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"```json\n{TEXT}\n```",
        f"```\n{TEXT}\n```\n",
        f"~~~JSON\r\n{TEXT}\r\n~~~",
        f"Here is {{what}} [you] asked for:\n\n{TEXT}\n\nShall I go on?",
        f"\ufeff{TEXT}",
        f"[{TEXT}]",
        TEXT.replace("\n  }\n ]", "\n  },\n ]"),
        TEXT.replace('"d"', '"a line\nand another, }"'),
        TEXT.replace("0.9", '"0.9"'),
        TEXT.replace("0.9", '"90 %"'),
        json.dumps(TEXT),
        json.dumps({"response": WHOLE}),
        json.dumps({"answer": TEXT}),
        json.dumps([WHOLE, WHOLE]),
        f'<think>perhaps {{"concepts": []}}</think>{TEXT}',
    ],
)
def test_a_whole_answer_is_found_whatever_it_is_wrapped_in(text: str) -> None:
    answer = API.answer_of(reply_of(text, MODEL), MODEL)
    assert [one.name for one in answer.concepts] == ["steady beat", "bells"]
    assert answer.overall is not None
    assert answer.overall.name == "o"
    assert (answer.fault, answer.note) == ("", "")


@pytest.mark.parametrize(
    ("bad", "note"),
    [
        ({"name": "x", "confidence": 7, "description": "d"}, "confidence is 7, not from 0 to 1"),
        ({"name": "", "confidence": 0.4, "description": "d"}, "name is missing"),
        ({"name": "x" * 200, "confidence": 0.4, "description": "d"}, "a name of 200 characters"),
        ({"confidence": 0.4}, "name is missing"),
        ("low hum", "a concept is not an object"),
        (None, "a concept is not an object"),
    ],
)
def test_one_bad_concept_costs_none_of_the_good_ones(bad: Any, note: str) -> None:
    text = json.dumps({**WHOLE, "concepts": [BEAT, bad, BELLS]})
    answer = API.answer_of(reply_of(text, MODEL), MODEL)
    assert [one.name for one in answer.concepts] == ["steady beat", "bells"]
    assert answer.note == f"1 of 3 concepts left out: {note}"
    assert answer.fault == "malformed"


@pytest.mark.parametrize("missing", ["overall_name", "overall_summary", "overall_confidence"])
def test_concepts_stand_without_the_overall_name(missing: str) -> None:
    text = json.dumps({name: value for name, value in WHOLE.items() if name != missing})
    answer = API.answer_of(reply_of(text, MODEL), MODEL)
    assert len(answer.concepts) == 2
    assert answer.overall is None
    assert answer.note == f"no overall name: {missing} is missing" or missing.endswith("confidence")


def test_a_list_of_concepts_without_the_object_around_it_is_one() -> None:
    assert names(json.dumps([BEAT, BELLS])) == ["steady beat", "bells"]


@pytest.mark.parametrize("finish", ["STOP", "MAX_TOKENS"])
@pytest.mark.parametrize("text", [TEXT[: TEXT.index('"bells"') + 3], "```json\n" + TEXT[:130]])
def test_the_whole_concepts_of_a_cut_answer_are_kept_and_marked(text: str, finish: str) -> None:
    answer = API.answer_of(reply_of(text, MODEL, finish), MODEL)
    assert [one.name for one in answer.concepts] == ["steady beat"]
    assert answer.fault == ("cut" if finish == "MAX_TOKENS" else "malformed")
    assert answer.note.endswith("the 1 whole concepts of it are kept")


def test_the_percentages_of_a_cut_answer_are_read_as_such() -> None:
    text = TEXT.replace("0.9", "90").replace("0.5", "50").partition("]")[0]
    answer = API.answer_of(reply_of(text, MODEL, "MAX_TOKENS"), MODEL)
    assert [(one.name, one.confidence) for one in answer.concepts] == [
        ("steady beat", 0.9), ("bells", 0.5),
    ]  # fmt: skip
    assert answer.note.endswith("are kept; confidences are read as per cent")


def test_an_answer_at_the_limit_that_is_whole_all_the_same_is_kept_whole() -> None:
    answer = API.answer_of(reply_of(TEXT, MODEL, "MAX_TOKENS"), MODEL)
    assert len(answer.concepts) == 2
    assert answer.overall is not None
    assert answer.fault == "cut"


@pytest.mark.parametrize(
    ("text", "finish", "fault", "reason"),
    [
        ("no idea", "STOP", "malformed", "malformed answer: its text is not JSON"),
        ('{"concepts": [{"na', "STOP", "malformed", "malformed answer: its text is not JSON"),
        ('{"concepts": [', "MAX_TOKENS", "cut", "truncated answer: the limit of tokens"),
        ("", "MAX_TOKENS", "cut", "truncated answer: the limit of tokens"),
        ('{"names": ["a"]}', "STOP", "malformed", "malformed answer: no list of concepts"),
        ('{"concepts": "bells"}', "STOP", "malformed", "malformed answer: no list of concepts"),
        ('{"concepts": []}', "STOP", "empty", "empty answer: no concept"),
        (
            '{"concepts": [1, 2]}',
            "STOP",
            "malformed",
            "malformed answer: a concept is not an object",
        ),
        (" ", "STOP", "empty", "empty answer: no text"),
        (TEXT, "SAFETY", "blocked", "blocked: the answer, for SAFETY"),
        (TEXT, "OTHER", "empty", "no answer: ended by OTHER"),
    ],
)
def test_what_holds_no_concept_says_why(text: str, finish: str, fault: str, reason: str) -> None:
    reply = reply_of(text, MODEL, finish)
    with pytest.raises(UnusableAnswer) as refused:
        API.answer_of(reply, MODEL)
    assert str(refused.value).startswith(reason)
    assert API.fault_of(reply, MODEL) == fault


def test_another_models_answer_is_none() -> None:
    assert API.fault_of(reply_of(TEXT, "gemini-0-cheap"), MODEL) == "model"
    assert API.fault_of(reply_of(TEXT, f"models/{MODEL}-001"), MODEL) == ""


def test_halves_of_characters_do_not_reach_a_table() -> None:
    assert names(TEXT.replace("bells", "bells\\ud800")) == ["steady beat", "bells\ufffd"]


@pytest.mark.parametrize(
    "candidate",
    [None, "x", {"content": "x"}, {"content": {"parts": [None]}}, {"content": {"parts": ["x"]}}],
)
def test_a_reply_of_an_odd_form_is_malformed(candidate: Any) -> None:
    reply = {"modelVersion": MODEL, "candidates": [candidate]}
    assert API.fault_of(reply, MODEL) == "malformed"


OF = "confidence is {!r}, not from 0 to 1"


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (TEXT.replace('"concepts"', '" Concepts "').replace("overall_name", "Overall Name"), ""),
        (TEXT.replace('"name"', '"Name"').replace("overall_confidence", "overallConfidence"), ""),
        (TEXT.replace("0.9", '"0,9"').replace("0.5", '"50 percent"'), ""),
        (
            TEXT.replace("0.9", "90").replace("0.5", '"50"'),
            "confidences are read as per cent",
        ),
        (str(WHOLE), "read as Python writes it"),
        (f"```python\nconcepts = {WHOLE}\n```", "read as Python writes it"),
        (
            TEXT.replace(' "', " “").replace('"', "”"),
            "curly quotation marks are read as straight ones",
        ),
        (json.dumps({**WHOLE, "concepts": {"steady beat": 0.9, "bells": "50%"}}), ""),
        (json.dumps({**WHOLE, "concepts": {"steady beat": BEAT, "bells": BELLS}}), ""),
    ],
)
def test_an_answer_that_is_spelt_otherwise_is_read_and_what_was_mended_is_said(
    text: str, note: str
) -> None:
    answer = API.answer_of(reply_of(text, MODEL), MODEL)
    assert [(one.name, one.confidence) for one in answer.concepts] == [
        ("steady beat", 0.9), ("bells", 0.5),
    ]  # fmt: skip
    assert answer.overall is not None
    assert (answer.overall.name, answer.overall.confidence) == ("o", 0.7)
    assert (answer.fault, answer.note) == ("", note)


@pytest.mark.parametrize("odd", ["high", 9, True, None, -0.5, 101, "NaN", 1e400])
def test_a_confidence_that_could_mean_anything_is_not_guessed(odd: Any) -> None:
    text = json.dumps({**WHOLE, "concepts": [{"name": "hum", "confidence": odd}, BEAT]})
    answer = API.answer_of(reply_of(text, MODEL), MODEL)
    assert [one.name for one in answer.concepts] == ["steady beat"]
    assert answer.note == f"1 of 2 concepts left out: {OF.format(odd)}"


def test_grades_up_to_ten_are_not_taken_for_percentages() -> None:
    text = json.dumps(
        {"concepts": [{"name": "a", "confidence": 9}, {"name": "b", "confidence": 7}]}
    )
    with pytest.raises(UnusableAnswer, match="confidence is 9, not from 0 to 1"):
        API.answer_of(reply_of(text, MODEL), MODEL)


@pytest.mark.parametrize("text", ["{'concepts': [open('x')]}", "[" * 5000, "{'a': {1, 2}}", "{{}}"])
def test_python_that_is_more_than_plain_values_is_malformed(text: str) -> None:
    assert API.fault_of(reply_of(text, MODEL), MODEL) == "malformed"


@pytest.mark.parametrize("first", [{}, {"finishReason": "SAFETY"}, {"content": {"parts": []}}])
def test_the_first_candidate_that_has_a_text_is_the_answer(first: dict[str, Any]) -> None:
    reply = reply_of(TEXT, MODEL)
    reply["candidates"].insert(0, first)
    assert len(API.answer_of(reply, MODEL).concepts) == 2


@pytest.mark.parametrize(
    ("finish", "fault"),
    [("stop", ""), (1, ""), ("FinishReason.STOP", ""), ("2", "cut"), (3, "blocked"), (0, "")],
)
def test_the_end_of_an_answer_is_known_in_every_spelling(finish: Any, fault: str) -> None:
    assert API.fault_of(reply_of(TEXT, MODEL, finish), MODEL) == fault
