"""Batch jobs: half the price, an answer within a day.

Questions go up as files of JSON lines, a job each. A job's name is in the ledger as soon as it is
known, and its display name, which is made of its questions, before: a process that was killed in
between finds the job by that name instead of paying for another.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.config import GeminiConfig
from pipeline.errors import PipelineError
from pipeline.gemini.calls import Calls
from pipeline.gemini.questions import Question, body_of

if TYPE_CHECKING:
    from google.genai import Client

JOB_BYTES = 200_000_000
"""Of a job's file, at most about; the service takes ten times as much."""
ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED",
         "JOB_STATE_PARTIALLY_SUCCEEDED")  # fmt: skip


def ask(
    config: GeminiConfig,
    calls: Calls,
    client: Client,
    questions: Sequence[Question],
    sound: Callable[[Question], bytes],
    advance: Callable[[], None],
) -> None:
    """Ask by jobs and wait for them; every reply is in the ledger afterwards.

    Raises `PipelineError` if the service refuses a job.
    """
    from google.genai import errors

    try:
        waiting = {key for keys in calls.jobs().values() for key in keys}
        new = [asked for asked in questions if asked.key not in waiting]
        for part in _parts(config, new, sound):
            _submit(calls, client, part)
        for job, keys in calls.jobs().items():
            _fetch(config, calls, client, job, keys)
            for _ in keys:
                advance()
    except errors.APIError as error:
        raise PipelineError(
            calls.clean(f"Gemini refuses a batch: HTTP {error.code} {error.message}")
        ) from None


def _parts(
    config: GeminiConfig, questions: Sequence[Question], sound: Callable[[Question], bytes]
) -> list[tuple[list[Question], list[bytes]]]:
    """Questions with their lines, in groups of at most about `JOB_BYTES`."""
    parts: list[tuple[list[Question], list[bytes]]] = []
    size = JOB_BYTES
    for asked in questions:
        body = body_of(config, asked, sound(asked))
        line = json.dumps({"key": asked.key, "request": body}).encode() + b"\n"
        if size + len(line) > JOB_BYTES:
            parts.append(([], []))
            size = 0
        parts[-1][0].append(asked)
        parts[-1][1].append(line)
        size += len(line)
    return parts


def _submit(calls: Calls, client: Client, part: tuple[list[Question], list[bytes]]) -> None:
    questions, lines = part
    keys = [asked.key for asked in questions]
    name = "earwitness-" + hashlib.sha256("".join(keys).encode()).hexdigest()[:20]
    begun = any(calls.under_way(key) for key in keys)
    job = _job_named(client, name) if begun else None
    if job is None:
        for asked in questions:
            calls.begin(asked.key, asked.feature, batch=name)
        config: Any = {"mime_type": "application/jsonl", "display_name": name}
        file = client.files.upload(file=io.BytesIO(b"".join(lines)), config=config)
        made = client.batches.create(
            model=questions[0].model, src=str(file.name), config={"display_name": name}
        )
        job = str(made.name)
    calls.submitted(job, keys)


def _job_named(client: Client, name: str) -> str | None:
    """The job of that display name, if the service has one."""
    for job in client.batches.list():
        if job.display_name == name:
            return str(job.name)
    return None


def _fetch(
    config: GeminiConfig, calls: Calls, client: Client, job: str, keys: Sequence[str]
) -> None:
    """Wait for a job's end and enter its replies."""
    while True:
        found = client.batches.get(name=job)
        state = found.state.name if found.state else ""
        if state in ENDED:
            break
        time.sleep(config.poll_seconds)
    replies: dict[str, dict[str, Any]] = {}
    if found.dest is not None and found.dest.file_name:
        data = client.files.download(file=found.dest.file_name)
        for line in data.splitlines():
            _take_line(line, replies)
    for key in keys:
        entry = replies.get(key, {})
        if "response" in entry:
            calls.answered(key, entry["response"])
        else:
            error = entry.get("error") or {}
            reason = error.get("message") or f"the batch job ended as {state} without an answer"
            calls.unanswered(key, calls.clean(f"refused: {reason}"), final=True)
    calls.fetched(job)


def _take_line(line: bytes, replies: dict[str, dict[str, Any]]) -> None:
    try:
        entry = json.loads(line)
        replies[str(entry["key"])] = entry
    except (ValueError, KeyError, TypeError):
        return  # A line that is none leaves its question without an answer, which is said there.
