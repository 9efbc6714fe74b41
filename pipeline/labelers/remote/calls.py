"""The state of each question: answered, refused, in progress, or not yet asked.

The ledger gets a line before every call and one after it, so that the calls of a killed process are
known. No run that shares the ledger asks an answered question again, unless the config says so. A
call that was started but neither answered nor given up may have been charged. A refusal is final
only if it is about the question itself (`remote.faults`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from pipeline.labelers.remote.faults import is_final
from pipeline.labelers.remote.spending import Spending
from pipeline.store.ledger import Ledger


def unknown(section: str) -> str:
    """Why a feature has no label if nobody knows how the call about it ended."""
    return (
        "the call was under way when the process was killed and may have been paid for; "
        f'set [{section}] unknown = "ask" to ask again'
    )


def without(secret: str, text: str) -> str:
    """The text in one line, without the API key."""
    text = " ".join(text.split())
    return text.replace(secret, "[key]") if secret else text


class Calls:
    """The ledger, read once and appended to. Thread-safe; the API key is never written to it."""

    def __init__(self, ledger: Ledger, secret: str, spending: Spending | None = None) -> None:
        self._ledger = ledger
        self._secret = secret
        self._spending = spending or Spending(lambda reply: None, "", own=True)
        self._lock = Lock()
        self._replies: dict[str, dict[str, Any]] = {}
        self._reasons: dict[str, str] = {}
        self._temporary: dict[str, str] = {}
        self._begun: set[str] = set()
        self._here: set[str] = set()
        self._batches: dict[str, str] = {}
        self._jobs: dict[str, list[str]] = {}
        self._waiting: set[str] = set()
        self._fetched: set[str] = set()
        for entry in ledger.entries():
            self._take(entry)

    def reply(self, key: str) -> dict[str, Any] | None:
        """The latest raw reply to a question; None if it has not been answered."""
        return self._replies.get(key)

    def reason(self, key: str) -> str:
        """Why a question was finally refused; empty if it was not."""
        return self._reasons.get(key, "")

    def temporary_reason(self, key: str) -> str:
        """Why the latest attempt at a question failed; empty if it was answered since."""
        return self._temporary.get(key, "")

    def in_progress(self, key: str) -> bool:
        """Whether a call was started whose outcome is not known."""
        return key in self._begun

    def asked_here(self, key: str) -> bool:
        """Whether this process has asked the question or fetched its result."""
        return key in self._here

    def jobs(self) -> dict[str, list[str]]:
        """Batch jobs whose results have not been fetched, with the keys of their questions."""
        return dict(self._jobs)

    def in_job(self, key: str) -> bool:
        """Whether the question is in a batch job whose results have not been fetched."""
        return key in self._waiting

    def batch_of(self, key: str) -> str:
        """The display name of the batch job that was about to be created for the question, if it is
        not known whether it was created; else empty."""
        return self._batches.get(key, "")

    def in_batch(self, name: str) -> list[str]:
        """The questions whose `batch_of` is that name."""
        return [key for key, batch in self._batches.items() if batch == name]

    def was_fetched(self, job: str) -> bool:
        """Whether a batch job's results are already in the ledger."""
        return job in self._fetched

    @property
    def dollars(self) -> float:
        """What the run has spent or may have spent; calls in progress count by their estimate."""
        with self._lock:
            return self._spending.dollars

    def dollars_to_reserve(self, estimate: float) -> float:
        """Dollars to reserve for a call: its estimate or the cost of the most expensive reply so
        far, whichever is more."""
        return max(estimate, self._spending.dearest)

    def begin(self, key: str, feature: str, *, batch: str = "", dollars: float = 0.0) -> None:
        """Record that a call is about to be made and may cost `dollars`; `batch` is the display
        name of the job that is about to be created."""
        self._here.add(key)
        entry = {"event": "asked", "key": key, "feature": feature, "batch": batch}
        self._add({**entry, "run": self._spending.run, "dollars": dollars})

    def answered(self, key: str, reply: Mapping[str, Any], dollars: float | None) -> None:
        """Record the complete reply and its cost; None: what was reserved for it, since the reply
        does not say."""
        self._here.add(key)
        if dollars is None:
            dollars = self._spending.reserved_for(key)
        self._add({"event": "answered", "key": key, "dollars": dollars, "reply": dict(reply)})

    def unanswered(
        self, key: str, reason: str, *, final: bool = False, perhaps: bool = False
    ) -> None:
        """Record a call without a reply. `final`: the question was refused and must not be asked
        again; `perhaps`: the call may have been charged nevertheless."""
        self._here.add(key)
        entry = {"event": "refused" if final else "unanswered", "key": key, "reason": reason}
        self._add({**entry, "perhaps": True} if perhaps else entry)

    def submitted(self, job: str, keys: list[str]) -> None:
        """Record that a batch job was created."""
        self._add({"event": "submitted", "job": job, "keys": keys})

    def fetched(self, job: str) -> None:
        """Record that all results of a batch job are in the ledger."""
        self._add({"event": "fetched", "job": job})

    def clean(self, text: str) -> str:
        """The text in one line, without the API key."""
        return without(self._secret, text)

    def _add(self, entry: dict[str, Any]) -> None:
        entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **entry}
        if self._secret and self._secret in json.dumps(entry, ensure_ascii=False):
            text = json.dumps(entry, ensure_ascii=False).replace(self._secret, "[key]")
            entry = json.loads(text)
        with self._lock:
            self._ledger.add(entry)
            self._take(entry)

    def _take(self, entry: Mapping[str, Any]) -> None:
        event, key = entry.get("event"), str(entry.get("key", ""))
        self._spending.take(entry)
        if event == "asked":
            self._begun.add(key)
            self._batches.pop(key, None)
            if entry.get("batch"):
                self._batches[key] = entry["batch"]
        elif event == "answered":
            self._replies[key] = entry["reply"]
            self._reasons.pop(key, None)
            self._temporary.pop(key, None)
            self._begun.discard(key)
        elif event in ("refused", "unanswered"):
            final = event == "refused" and is_final(entry["reason"])
            (self._reasons if final else self._temporary)[key] = entry["reason"]
            self._begun.discard(key)
        elif event == "submitted":
            self._jobs[entry["job"]] = list(entry["keys"])
            self._waiting.update(entry["keys"])
            for one in entry["keys"]:
                self._batches.pop(one, None)
        elif event == "fetched":
            self._waiting.difference_update(self._jobs.pop(entry["job"], ()))
            self._fetched.add(entry["job"])
