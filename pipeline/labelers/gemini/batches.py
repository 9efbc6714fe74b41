"""Batch jobs: half the price, answers within a day.

Questions are uploaded as files of JSON lines, one file per job. The ledger records a job's display
name, a hash of its questions, before the job is created, and its actual name as soon as that is
known. If the process is killed in between, the next start finds the job by its display name instead
of paying for another. Answers that were paid for are fetched even if nothing new may be asked. If a
job expired, was cancelled or failed in part, its answers are kept and a later start asks the other
questions.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from pipeline.config import GeminiConfig
from pipeline.labelers.gemini.api import GeminiApi, body_of
from pipeline.labelers.remote import costs, faults
from pipeline.labelers.remote.calls import Calls
from pipeline.labelers.remote.faults import LONGEST_WAIT, UnansweredError
from pipeline.labelers.remote.questions import Question
from pipeline.labelers.remote.service import left_over, over_budget

GRPC_OF_THE_QUESTION = (3, 11)
"""INVALID_ARGUMENT and OUT_OF_RANGE. Lines of a batch have gRPC or HTTP codes."""
JOB_BYTES = 200_000_000
"""Approximate maximum size of a job's file; the service accepts ten times as much."""
ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED",
         "JOB_STATE_PARTIALLY_SUCCEEDED")  # fmt: skip


Found = TypeVar("Found")
Part = tuple[list[Question], io.BytesIO]


def ask(
    api: GeminiApi,
    calls: Calls,
    questions: Sequence[Question],
    sound: Callable[[Question], bytes],
    advance: Callable[[], None],
) -> None:
    """Ask by batch jobs and wait for them; afterwards all replies are in the ledger.

    Raises `UnansweredError` if a job is refused, the service cannot be reached, the budget does not
    cover the next job, or questions have no answer; jobs made before that are fetched anyway.
    """
    api = _halved(api)
    new = [asked for asked in questions if not calls.in_job(asked.key)]
    stop: UnansweredError | None = None
    try:
        with _as_unanswered(calls):
            for part in _parts(api, new, sound):
                _submit(api, calls, part)
    except UnansweredError as error:
        stop = error
    models = {asked.key: asked.model for asked in questions}
    with _as_unanswered(calls):
        left = _fetch_all(api, calls, models, advance)
    if stop is not None:
        raise stop
    if left and api.config.unanswered == "stop":
        raise UnansweredError(left_over(api, len(left), left[-1]))


def _halved(api: GeminiApi) -> GeminiApi:
    """The same service at the price of batch jobs, even if `batch` has been unset since."""
    return GeminiApi(replace(api.config, batch=True))


def find(api: GeminiApi, calls: Calls, questions: Sequence[Question]) -> None:
    """Record the jobs of questions whose process was killed before it knew the jobs' names.

    Raises `UnansweredError` if the service cannot be reached.
    """
    api = _halved(api)
    lost: dict[str, list[Question]] = {}
    for asked in questions:
        if name := calls.batch_of(asked.key):
            lost.setdefault(name, []).append(asked)
    with _as_unanswered(calls):
        for job in api.client.batches.list() if lost else ():
            if job.display_name in lost and not calls.was_fetched(str(job.name)):
                name = str(job.display_name)
                _record_found_job(api, calls, str(job.name), name, lost.pop(name))
    for asked in (one for found in lost.values() for one in found):
        if calls.in_progress(asked.key):
            calls.unanswered(asked.key, "the batch job was never created")


def _record_found_job(
    api: GeminiApi, calls: Calls, job: str, name: str, questions: Sequence[Question]
) -> None:
    """Record a job that was found, with all its questions, including those of other runs."""
    keys = calls.in_batch(name)
    for asked in questions:
        if not calls.in_progress(asked.key):  # Given up before: it counts towards the budget again.
            dollars = calls.dollars_to_reserve(costs.estimated(api, asked))
            calls.begin(asked.key, asked.feature, batch=name, dollars=dollars)
    calls.submitted(job, keys)


@contextmanager
def _as_unanswered(calls: Calls) -> Iterator[None]:
    """Turn errors of the service or the connection into an `UnansweredError`, which stops the
    method."""
    from google.genai import errors

    try:
        yield
    except errors.APIError as error:
        refused = f"Gemini refuses a batch: HTTP {error.code} {error.message}"
        raise UnansweredError(calls.clean(refused)) from None
    except _transport_failures() as error:
        lost = f"Gemini is out of reach ({type(error).__name__}); start again to go on"
        raise UnansweredError(lost) from None


def _transport_failures() -> tuple[type[Exception], ...]:
    """The exceptions of a time-out, a lost connection, or a proxy's page instead of a reply."""
    from google.genai import errors

    timeouts, losses = faults.transport_errors()
    return (*timeouts, *losses, errors.UnknownApiResponseError, json.JSONDecodeError)


def _parts(
    api: GeminiApi, questions: Sequence[Question], sound: Callable[[Question], bytes]
) -> Iterator[Part]:
    """Questions with their JSON lines, in groups of at most about `JOB_BYTES`, each made when the
    one before it was submitted."""
    part: list[Question] = []
    lines = io.BytesIO()
    for asked in questions:
        body = body_of(api.config, asked, sound(asked))
        line = json.dumps({"key": asked.key, "request": body}).encode() + b"\n"
        if part and lines.tell() + len(line) > JOB_BYTES:
            yield part, lines
            part, lines = [], io.BytesIO()
        part.append(asked)
        lines.write(line)
    if part:
        yield part, lines


def _submit(api: GeminiApi, calls: Calls, part: Part) -> None:
    """Create the job for one part."""
    questions, _ = part
    keys = [asked.key for asked in questions]
    name = "earwitness-" + hashlib.sha256("".join(keys).encode()).hexdigest()[:20]
    calls.submitted(_create_job(api, calls, part, name), keys)


def _create_job(api: GeminiApi, calls: Calls, part: Part, name: str) -> str:
    """The name of a new job; raises `UnansweredError` if the budget does not cover it."""
    from google.genai import errors

    failures: tuple[type[Exception], ...] = (errors.APIError, *_transport_failures())
    questions, lines = part
    likely = [calls.dollars_to_reserve(costs.estimated(api, asked)) for asked in questions]
    if calls.dollars + sum(likely) > api.config.budget_dollars:
        raise UnansweredError(over_budget(api, calls.dollars))
    upload: Any = {"mime_type": "application/jsonl", "display_name": name}
    lines.seek(0)
    file = api.client.files.upload(file=lines, config=upload)
    for asked, dollars in zip(questions, likely, strict=True):
        calls.begin(asked.key, asked.feature, batch=name, dollars=dollars)
    try:
        made = api.client.batches.create(
            model=questions[0].model, src=str(file.name), config={"display_name": name}
        )
    except failures as error:
        # If the job was created nevertheless, the next start finds it by its display name.
        for asked in questions:
            calls.unanswered(asked.key, calls.clean(f"no batch: {error}")[:200])
        raise
    return str(made.name)


def _fetch_all(
    api: GeminiApi,
    calls: Calls,
    models: Mapping[str, str],
    advance: Callable[[], None],
) -> list[str]:
    """Wait for the jobs of the questions in `models` (key to model) and record their replies.

    Returns the reason of each question without an answer.
    """
    left: list[str] = []
    for job, keys in calls.jobs().items():
        # Runs that share a ledger fetch only their own jobs.
        if models.keys() & set(keys):
            left += _fetch(api, calls, job, {key: models.get(key, "") for key in keys})
            for _ in keys:
                advance()
    return left


def _fetch(api: GeminiApi, calls: Calls, job: str, models: Mapping[str, str]) -> list[str]:
    """Wait for a job, record its replies, and return why any questions have no answer."""
    found = _none_if_404(lambda: _ended(api, job))
    replies = found and _none_if_404(lambda: _replies(api, found))
    if found is None or replies is None:
        # Its questions remain in progress, since they may have been charged.
        calls.fetched(job)
        return [f"the service no longer has the batch job {job}, or its results"]
    state = found.state.name if found.state else ""
    left = []
    for key, model in models.items():
        entry = replies.get(key, {})
        if "response" in entry:
            reply = entry["response"]
            whole = reply if isinstance(reply, dict) else {"unreadable": str(reply)[:300]}
            calls.answered(key, whole, api.paid(model, whole))
            if model and api.fault_of(whole, model) == "model":
                left.append(f"{model} was asked but {api.version_of(whole) or 'another'} answered")
        elif reason := _record_failure(calls, key, entry.get("error") or {}, state):
            left.append(reason)
    calls.fetched(job)
    return left


def _none_if_404(call: Callable[[], Found]) -> Found | None:
    """The result of a call; None if the service answers 404."""
    from google.genai import errors

    try:
        return call()
    except errors.APIError as error:
        if error.code == 404:
            return None
        raise


def _replies(api: GeminiApi, job: Any) -> dict[str, dict[str, Any]]:
    """The lines of a job's results, by key; empty if it has no results."""
    replies: dict[str, dict[str, Any]] = {}
    if job.dest is not None and job.dest.file_name:
        name = job.dest.file_name
        data = _with_retries(api.config, lambda: api.client.files.download(file=name))
        if faults.is_page(data[:300].decode(errors="replace")):
            raise UnansweredError("a web page came instead of a batch's results; start again")
        for line in data.split(b"\n"):
            _add_line(line, replies)
    return replies


def _ended(api: GeminiApi, job: str) -> Any:
    """Wait until the job has ended, and return it."""
    while True:
        found = _with_retries(api.config, lambda: api.client.batches.get(name=job))
        if found.state and found.state.name in ENDED:
            return found
        time.sleep(api.config.poll_seconds)


def _with_retries(config: GeminiConfig, call: Callable[[], Found]) -> Found:
    """The result of a call, retried after temporary errors, at most `attempts` times in all."""
    from google.genai import errors

    for _ in range(config.attempts - 1):
        try:
            return call()
        except errors.APIError as error:
            if not faults.may_pass(int(error.code or 0)):
                raise
        except _transport_failures():
            pass
        time.sleep(min(LONGEST_WAIT, config.poll_seconds))
    return call()


def _record_failure(calls: Calls, key: str, error: Any, state: str) -> str:
    """Record a question without a reply. Return the reason, or "" if the refusal is final."""
    if not isinstance(error, dict):
        error = {"message": str(error)}
    code, message = error.get("code"), calls.clean(str(error.get("message") or ""))[:200]
    http = 400 if code in GRPC_OF_THE_QUESTION else code
    if isinstance(http, int) and faults.speaks_of_the_question(http, str(error)):
        calls.unanswered(key, faults.refusal(http, message), final=True)
        return ""
    reason = message or f"the batch job ended as {state} without an answer"
    calls.unanswered(key, reason)
    return reason


def _add_line(line: bytes, replies: dict[str, dict[str, Any]]) -> None:
    """Add the entry in a line; skip malformed lines, as the caller records the missing answer."""
    try:
        entry = json.loads(line)
        replies[str(entry["key"])] = entry
    except (ValueError, KeyError, TypeError):
        return
