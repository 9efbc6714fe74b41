"""What is known of each question: answered, refused, under way, or not yet asked.

The ledger has a line before every call and one after it, so that a killed process leaves behind
which calls it had begun. Nothing that was answered is asked again, by any run that shares the
ledger, unless the config asks for it. A call that was begun and neither answered nor given up may
have been paid for. A refusal is final only if it speaks of the question (`gemini.faults`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from pipeline.config import GeminiConfig
from pipeline.labelers.gemini.costs import Spending, paid
from pipeline.labelers.gemini.faults import is_final
from pipeline.store.ledger import Ledger

UNKNOWN = (
    "the call was under way when the process was killed and may have been paid for; "
    'set [gemini] unknown = "ask" to ask again'
)


class Calls:
    """The ledger, read once and added to. Threads may share it; no secret enters it."""

    def __init__(self, ledger: Ledger, secret: str, spending: Spending | None = None) -> None:
        self._ledger = ledger
        self._secret = secret
        self._spending = spending or Spending(GeminiConfig(), "", own=True)
        self._lock = Lock()
        self._replies: dict[str, dict[str, Any]] = {}
        self._reasons: dict[str, str] = {}
        self._passing: dict[str, str] = {}
        self._begun: set[str] = set()
        self._here: set[str] = set()
        self._batches: dict[str, str] = {}
        self._jobs: dict[str, list[str]] = {}
        self._waiting: set[str] = set()
        self._fetched: set[str] = set()
        for entry in ledger.entries():
            self._take(entry)

    def reply(self, key: str) -> dict[str, Any] | None:
        """The newest raw reply to a question, if it was answered."""
        return self._replies.get(key)

    def reason(self, key: str) -> str:
        """Why a question was refused for good; empty if it was not."""
        return self._reasons.get(key, "")

    def passing(self, key: str) -> str:
        """Why the last try of a question brought nothing; empty if none failed since its answer."""
        return self._passing.get(key, "")

    def under_way(self, key: str) -> bool:
        """Whether a call was begun whose end nobody saw."""
        return key in self._begun

    def asked_here(self, key: str) -> bool:
        """Whether this process has asked the question, or fetched what came of it."""
        return key in self._here

    def jobs(self) -> dict[str, list[str]]:
        """Batch jobs whose results were not fetched: name to the questions' keys."""
        return dict(self._jobs)

    def in_job(self, key: str) -> bool:
        """Whether a batch job whose results were not fetched holds the question."""
        return key in self._waiting

    def batch_of(self, key: str) -> str:
        """The display name of the batch job that was about to be made of the question, if nobody
        saw whether it was made; else empty."""
        return self._batches.get(key, "")

    def in_batch(self, name: str) -> list[str]:
        """The questions whose `batch_of` is that name."""
        return [key for key, batch in self._batches.items() if batch == name]

    def was_fetched(self, job: str) -> bool:
        """Whether a batch job's results are in the ledger already."""
        return job in self._fetched

    @property
    def dollars(self) -> float:
        """What the run has spent, or may have; calls under way are counted by estimate."""
        with self._lock:
            return self._spending.dollars

    def likely(self, estimate: float) -> float:
        """Dollars to keep for a call: its estimate, or the dearest reply so far if that is more."""
        return max(estimate, self._spending.dearest)

    def begin(self, key: str, feature: str, *, batch: str = "", dollars: float = 0.0) -> None:
        """A call is about to be made and may cost `dollars`; `batch` names its job-to-be."""
        self._here.add(key)
        entry = {"event": "asked", "key": key, "feature": feature, "batch": batch}
        self._add({**entry, "run": self._spending.run, "dollars": dollars})

    def answered(self, key: str, reply: Mapping[str, Any], config: GeminiConfig) -> None:
        """The reply, whole, with what it cost by the prices of `config`; one that nobody can read
        does not say, and costs what was kept for it."""
        self._here.add(key)
        dollars = self._spending.kept_for(key) if "unreadable" in reply else paid(config, reply)
        self._add({"event": "answered", "key": key, "dollars": dollars, "reply": dict(reply)})

    def unanswered(
        self, key: str, reason: str, *, final: bool = False, perhaps: bool = False
    ) -> None:
        """A call brought no reply. `final`: the question was refused, and is not to be asked again;
        `perhaps`: the call may have been paid for all the same."""
        self._here.add(key)
        entry = {"event": "refused" if final else "unanswered", "key": key, "reason": reason}
        self._add({**entry, "perhaps": True} if perhaps else entry)

    def submitted(self, job: str, keys: list[str]) -> None:
        """A batch job was made."""
        self._add({"event": "submitted", "job": job, "keys": keys})

    def fetched(self, job: str) -> None:
        """A batch job's results are all in the ledger."""
        self._add({"event": "fetched", "job": job})

    def clean(self, text: str) -> str:
        """The text without the key, in one line."""
        text = " ".join(text.split())
        return text.replace(self._secret, "[key]") if self._secret else text

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
            self._passing.pop(key, None)
            self._begun.discard(key)
        elif event in ("refused", "unanswered"):
            final = event == "refused" and is_final(entry["reason"])
            (self._reasons if final else self._passing)[key] = entry["reason"]
            self._begun.discard(key)
        elif event == "submitted":
            self._jobs[entry["job"]] = list(entry["keys"])
            self._waiting.update(entry["keys"])
            for one in entry["keys"]:
                self._batches.pop(one, None)
        elif event == "fetched":
            self._waiting.difference_update(self._jobs.pop(entry["job"], ()))
            self._fetched.add(entry["job"])
