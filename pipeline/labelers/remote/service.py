"""Calls a service at a limited rate, several calls at a time, with retries, within the budget.

Retried, with jitter and respecting Retry-After: 408, 429, 5xx, time-outs, lost connections; see
`remote.faults` for the codes. A rejected key, an unknown model, an answer from another model, an
outage or a spent budget stops the method: calls in progress are completed and recorded, and a later
start asks the other questions. The first call after a start is made alone. So only one call is
charged, not `concurrency` calls, if another model answers; and its cost improves the estimates.

Budget: under one lock, a call starts only if what was spent, the calls in progress and this call
fit in the budget together. A call counts as its estimate, or as the most expensive reply so far if
that is more. So the budget can only be exceeded by as much as an answer costs more than every
answer before it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

from pipeline.labelers.remote import costs
from pipeline.labelers.remote.api import Api, Outcome
from pipeline.labelers.remote.calls import Calls
from pipeline.labelers.remote.faults import LONGEST_WAIT, UnansweredError
from pipeline.labelers.remote.questions import Question


@dataclass
class Pace:
    """Limits the number of calls started per minute, evenly spaced."""

    per_minute: float
    _next: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def wait(self, stop: Event) -> bool:
        """Wait for the next slot; False if `stop` was set meanwhile."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + 60.0 / self.per_minute
        return not stop.wait(turn - now)


class Service:
    """Asks questions and records every call and reply in the ledger."""

    def __init__(self, api: Api, calls: Calls, sound: Callable[[Question], bytes]) -> None:
        self._api = api
        self._config = api.config
        self._calls = calls
        self._sound = sound
        self._pace = Pace(api.config.requests_per_minute)
        self._stop = Event()
        self._first_call_done = Event()
        """Set when the first call of this start has ended."""
        self._why = ""
        self._unanswered: list[str] = []
        self._in_a_row = 0
        self._lock = Lock()

    def ask(self, questions: Sequence[Question], *, advance: Callable[[], None]) -> None:
        """Ask all questions; the replies are recorded in the ledger.

        Raises `UnansweredError` if the method had to stop or, unless the config says to go on, if
        some questions got no answer in all their attempts.
        """
        pool = ThreadPoolExecutor(self._config.concurrency)
        try:
            begun = [pool.submit(self._ask, asked, asked is questions[0]) for asked in questions]
            for done in as_completed(begun):
                done.result()
                advance()
        finally:
            self._stop.set()
            self._first_call_done.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if self._why:
            raise UnansweredError(self._why)
        if self._unanswered and self._config.unanswered == "stop":
            raise UnansweredError(left_over(self._api, len(self._unanswered), self._unanswered[-1]))

    def _ask(self, asked: Question, first: bool) -> None:
        """Ask one question until there is a reply or a reason to give up."""
        try:
            if not first:
                self._first_call_done.wait()
            if not self._stop.is_set():
                self._try(asked, self._sound(asked))
        finally:
            self._first_call_done.set()

    def _try(self, asked: Question, sound: bytes) -> None:
        reason = ""
        for attempt in range(self._config.attempts):
            if not self._pace.wait(self._stop) or not self._begin(asked):
                return
            found = self._api.call(asked, sound)
            self._record(asked, found)
            self._first_call_done.set()
            if found.wait is None:
                return
            reason = found.reason
            last = attempt + 1 == self._config.attempts
            if not last and self._stop.wait(found.wait or self._backoff(attempt)):
                return  # The method is stopping; a later start asks this question again.
        self._give_up(f"no answer in {self._config.attempts} attempts: {reason}")

    def _record(self, asked: Question, found: Outcome) -> None:
        """Record the outcome of a call in the ledger."""
        if found.reply is not None:
            paid = self._api.paid(asked.model, found.reply)
            self._calls.answered(asked.key, found.reply, paid)
            self._check_model(asked, found.reply)
        else:
            self._calls.unanswered(
                asked.key, found.reason, final=found.final, perhaps=found.perhaps
            )
        if found.stop:
            self._stop_method(found.stop)

    def _check_model(self, asked: Question, reply: dict[str, Any]) -> None:
        """Note that the service responds; stop the method if another model answered."""
        with self._lock:
            self._in_a_row = 0
        version = self._api.version_of(reply)
        if "unreadable" not in reply and not self._api.is_model(version, asked.model):
            self._stop_method(
                f"{asked.model} was asked but {version or 'an unnamed model'} answered: the "
                "service changed the model, so the method stops; set the model that you want"
            )

    def _begin(self, asked: Question) -> bool:
        """Record the call in the ledger if the budget covers it; else stop and return False."""
        with self._lock:
            dollars = self._calls.dollars_to_reserve(costs.estimated(self._api, asked))
            spent = self._calls.dollars
            if spent + dollars <= self._config.budget_dollars:
                self._calls.begin(asked.key, asked.feature, dollars=dollars)
                return True
        self._stop_method(over_budget(self._api, spent))
        return False

    def _give_up(self, reason: str) -> None:
        """Note that a question has used all its attempts; `concurrency` of these in a row count as
        an outage, which stops the method."""
        with self._lock:
            self._unanswered.append(reason)
            self._in_a_row += 1
            outage = self._in_a_row >= max(2, self._config.concurrency)
        if outage:
            self._stop_method(left_over(self._api, len(self._unanswered), reason))

    def _stop_method(self, why: str) -> None:
        with self._lock:
            self._why = self._why or why
        self._stop.set()

    def _backoff(self, attempt: int) -> float:
        """Seconds to wait, doubled after each attempt, times a random factor around 1."""
        jitter = random.uniform(0.5, 1.5)  # noqa: S311 - only spreads the calls in time
        return min(LONGEST_WAIT, self._config.backoff_seconds * float(2**attempt) * jitter)


def left_over(api: Api, count: int, reason: str) -> str:
    """The message that some questions have no answer yet."""
    questions = "1 question has" if count == 1 else f"{count} questions have"
    return (
        f"{api.service}: {questions} no answer yet ({reason}); answers are kept: start again to "
        f'ask the rest, or set [{api.section}] unanswered = "fail" to go on without them'
    )


def over_budget(api: Api, spent: float) -> str:
    """The message that the next call would exceed the budget."""
    return (
        f"the budget of ${api.config.budget_dollars:.2f} is spent (${spent:.2f}, including calls "
        f"in progress); answers are kept: raise [{api.section}] budget_dollars to go on"
    )
