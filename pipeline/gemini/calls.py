"""What is known of each question: answered, refused, under way, or not yet asked.

The ledger has a line before every call and one after it, so that a killed process leaves behind
which calls it had begun. Nothing that was answered is asked again, by any run that shares the
ledger. A call that was begun and neither answered nor given up may have been paid for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from pipeline.artifacts import Ledger

UNKNOWN = (
    "the call was under way when the process was killed and may have been paid for; "
    'set [gemini] unknown = "ask" to ask again'
)


class Calls:
    """The ledger, read once and added to. Threads may share it; no secret enters it."""

    def __init__(self, ledger: Ledger, secret: str) -> None:
        self._ledger = ledger
        self._secret = secret
        self._lock = Lock()
        self._replies: dict[str, dict[str, Any]] = {}
        self._reasons: dict[str, str] = {}
        self._begun: set[str] = set()
        self._jobs: dict[str, list[str]] = {}
        for entry in ledger.entries():
            self._take(entry)

    def reply(self, key: str) -> dict[str, Any] | None:
        """The raw reply to a question, if it was answered."""
        return self._replies.get(key)

    def reason(self, key: str) -> str:
        """Why a question has no reply; empty if it has one, or was never asked."""
        return self._reasons.get(key, "")

    def under_way(self, key: str) -> bool:
        """Whether a call was begun whose end nobody saw."""
        return key in self._begun

    def jobs(self) -> dict[str, list[str]]:
        """Batch jobs whose results were not fetched: name to the questions' keys."""
        return dict(self._jobs)

    def begin(self, key: str, feature: str, *, batch: str = "") -> None:
        """A call is about to be made; `batch` names the job that will hold it."""
        self._add({"event": "asked", "key": key, "feature": feature, "batch": batch})

    def answered(self, key: str, reply: Mapping[str, Any]) -> None:
        """The reply, whole."""
        self._add({"event": "answered", "key": key, "reply": dict(reply)})

    def unanswered(self, key: str, reason: str, *, final: bool) -> None:
        """A call brought no reply. `final`: it was refused, and is not to be made again."""
        self._add({"event": "refused" if final else "unanswered", "key": key, "reason": reason})

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
        if event == "asked":
            self._begun.add(key)
        elif event == "answered":
            self._replies[key] = entry["reply"]
            self._reasons.pop(key, None)
            self._begun.discard(key)
        elif event == "refused":
            self._reasons[key] = entry["reason"]
            self._begun.discard(key)
        elif event == "unanswered":
            self._begun.discard(key)
        elif event == "submitted":
            self._jobs[entry["job"]] = list(entry["keys"])
        elif event == "fetched":
            self._jobs.pop(entry["job"], None)
