"""What a run has spent, by its ledger.

That is the cost of every reply, plus the estimate for every call whose outcome is not known, since
it may have been charged. Calls in progress are counted in the same way, so that simultaneous calls
cannot exceed the budget together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Spending:
    """What one run has spent, from the entries of a ledger that other runs may share."""

    def __init__(
        self, paid: Callable[[Mapping[str, Any]], float | None], run: str, *, own: bool
    ) -> None:
        """`paid`: the cost of a reply in an old ledger, which has no dollars. `run`: the run's key.
        `own`: whether no other run uses the ledger, so that old entries without a run belong to
        this one."""
        self._paid = paid
        self.run = run
        self._unnamed = run if own else None
        self._open: dict[str, float] = {}
        self._closed = 0.0
        self.dearest = 0.0
        """Cost of the most expensive reply so far, dollars."""

    @property
    def dollars(self) -> float:
        """Cost of all replies, plus the estimates of calls that may have been charged."""
        return self._closed + sum(self._open.values())

    def reserved_for(self, key: str) -> float:
        """Dollars reserved for the run's call in progress; 0 if there is none."""
        return self._open.get(key, 0.0)

    def take(self, entry: Mapping[str, Any]) -> None:
        """Count one entry of the ledger; questions that another run asked are not counted."""
        event, key = entry.get("event"), str(entry.get("key", ""))
        if event == "asked" and entry.get("run", self._unnamed) == self.run:
            # An earlier call with an unknown outcome may have been charged too.
            self._closed += self._open.pop(key, 0.0)
            self._open[key] = float(entry.get("dollars", 0.0))
        elif event in ("answered", "unanswered", "refused") and key in self._open:
            estimate = self._open.pop(key)
            if event == "answered":
                dollars = self._cost_of(entry, estimate)
                self.dearest = max(self.dearest, dollars)
                self._closed += dollars
            elif entry.get("perhaps"):
                self._closed += estimate

    def _cost_of(self, entry: Mapping[str, Any], estimate: float) -> float:
        if "dollars" in entry:
            return float(entry["dollars"])
        paid = self._paid(entry["reply"])
        return estimate if paid is None else paid
