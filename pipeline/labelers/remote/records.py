"""From answers to rows: candidates, overall names, and the raw replies beside the labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.context import SaeContext
from pipeline.labelers.remote.answers import Answer, Overall
from pipeline.labelers.remote.questions import Question
from pipeline.store.records import table_of
from pipeline.store.tables import LabelCandidate, OverallRecord


@dataclass(frozen=True)
class Asked:
    """A question with what came of it."""

    question: Question
    reply: Mapping[str, object] | None
    """The raw reply; None if there is none."""
    version: str
    """The model that answered."""
    answer: Answer | None
    reason: str = ""
    """Why there is no answer."""


def candidates(
    feature: str, answer: Answer, provenance: str, count: int
) -> Iterator[LabelCandidate]:
    """The concepts of an answer, by confidence, at most `count`."""
    for rank, concept in enumerate(answer.concepts[:count], start=1):
        yield LabelCandidate(
            feature=feature,
            rank=rank,
            text=concept.name,
            confidence=concept.confidence,
            description=concept.description,
            provenance=provenance,
        )


def write_answers(context: SaeContext, method: str, asked: Sequence[Asked]) -> None:
    """Write overall names and raw replies beside the labels."""
    writer = context.tables.writer
    if writer is None:
        return
    folder = f"labels/{context.sae}/{method}"
    rows = [_overall(one, found) for one in asked if one.answer and (found := one.answer.overall)]
    writer.write_table(f"{folder}/overall.parquet", table_of(OverallRecord, rows))
    lines = "".join(_line(one) for one in asked if one.reply is not None)
    # A lone surrogate, which UTF-8 cannot hold, stays in the form of its JSON escape.
    data = lines.encode(errors="backslashreplace")
    writer.write_bytes(f"{folder}/replies.jsonl", data)


def _overall(one: Asked, overall: Overall) -> OverallRecord:
    return OverallRecord(
        feature=one.question.feature,
        name=overall.name,
        summary=overall.summary,
        confidence=overall.confidence,
        model_version=one.version,
        reply=one.question.key,
    )


def _line(one: Asked) -> str:
    clips = [clip.clip for clip in one.question.clips]
    line = {"key": one.question.key, "feature": one.question.feature, "clips": clips}
    return json.dumps({**line, "reply": one.reply}, ensure_ascii=False) + "\n"
