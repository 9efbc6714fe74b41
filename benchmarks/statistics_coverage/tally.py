"""Counts of a cell: how often a number was given, and how often it was right (or rejected)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.estimates.results import Estimate, HypothesisTest

ALPHA = 0.05
FALSE = "false alarms: "
"""Begins the name of a test's count; without it a count is of intervals that cover."""
ASIDE = "not recommended: "
"""Begins the name of what the report shows beside the recommended interval, or not at all."""


@dataclass
class Tally:
    """Name to [given, hits]; name to the reasons why it was not given."""

    counts: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, Counter[str]] = field(default_factory=dict)
    unmeasured: set[str] = field(default_factory=set)
    """Intervals that were given, and whose true value is not known."""

    def count(self, name: str, hit: float) -> None:
        """One that was given, and whether it is a hit; or the share of several that are."""
        found = self.counts.setdefault(name, [0, 0])
        found[0] += 1
        found[1] += hit

    def missed(self, name: str, reason: str) -> None:
        """One that was not given."""
        self.absent.setdefault(name, Counter())[reason] += 1

    def estimates(
        self, found: Iterable[Estimate], truth: Mapping[str, float], suffix: str = ""
    ) -> None:
        """Whether each interval covers its true value."""
        for one in found:
            name = f"{one.name}{suffix}"
            if not one.recommended:
                name = f"{ASIDE}{name}, by {one.clustered_by}"
            if one.low is None or one.high is None:
                self.missed(name, one.reason)
            elif one.name not in truth:
                self.unmeasured.add(name)
            else:
                self.count(name, one.low - 1e-9 <= truth[one.name] <= one.high + 1e-9)

    def tests(self, found: Iterable[HypothesisTest], *, but: tuple[str, ...] = ()) -> None:
        """Whether each test rejects a null hypothesis that is true."""
        for one in found:
            if one.name in but:
                continue
            if one.p is None:
                self.missed(f"{FALSE}{one.name}", one.reason)
            else:
                self.count(f"{FALSE}{one.name}", one.p < ALPHA)

    def add(self, other: Tally) -> None:
        """Another tally's counts."""
        for name, (given, hits) in other.counts.items():
            mine = self.counts.setdefault(name, [0, 0])
            mine[0] += given
            mine[1] += hits
        for name, reasons in other.absent.items():
            self.absent.setdefault(name, Counter()).update(reasons)
        self.unmeasured |= other.unmeasured

    def to_dict(self) -> dict[str, Any]:
        """As a line of the file of results."""
        absent = {name: dict(reasons) for name, reasons in self.absent.items()}
        return {"counts": self.counts, "absent": absent, "unmeasured": sorted(self.unmeasured)}

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Tally:
        """From such a line."""
        absent = {name: Counter(reasons) for name, reasons in line["absent"].items()}
        counts = {name: list(pair) for name, pair in line["counts"].items()}
        return cls(counts, absent, set(line["unmeasured"]))
