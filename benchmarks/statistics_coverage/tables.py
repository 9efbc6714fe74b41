"""The tables that are printed: each quantity's worst cells, and where it is not given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.statistics_coverage.records import Records
from benchmarks.statistics_coverage.tally import ASIDE, FALSE, Tally

LOWEST, HIGHEST, MOST_FALSE = 0.93, 0.98, 0.065
"""What holds: coverage from 93 to 98 %, false alarms up to 6.5 %."""
LEAST_GIVEN = 20
"""Of a cell where a number was given less often, its rate is not told."""
ERRORS = 2.0
"""A rate is outside if it is so by more than this many Monte Carlo errors."""


@dataclass(frozen=True)
class Rate:
    """How often a number was right in a cell (or a test rejected), of those that were given."""

    name: str
    cell: str
    given: float
    hits: float

    @property
    def value(self) -> float:
        """The rate."""
        return self.hits / self.given

    @property
    def is_test(self) -> bool:
        """Whether it is a rate of false alarms."""
        return FALSE in self.name

    @property
    def limit(self) -> float:
        """The rate beyond which it does not hold."""
        return MOST_FALSE if self.is_test else LOWEST

    @property
    def error(self) -> float:
        """The Monte Carlo error of a rate at the limit."""
        return math.sqrt(self.limit * (1 - self.limit) / self.given)

    @property
    def beyond(self) -> float:
        """How far it is beyond the limit, Monte Carlo errors; negative where it holds."""
        apart = self.value - self.limit if self.is_test else self.limit - self.value
        return apart / self.error

    @property
    def conservative(self) -> bool:
        """Whether an interval covers more often than it should."""
        error = math.sqrt(HIGHEST * (1 - HIGHEST) / self.given)
        return not self.is_test and self.value - HIGHEST > ERRORS * error


def rates(tallies: dict[str, Tally]) -> dict[str, list[Rate]]:
    """Name to its rates, the worst cell first."""
    found: dict[str, list[Rate]] = {}
    for cell, tally in tallies.items():
        for name, (given, hits) in tally.counts.items():
            found.setdefault(name, []).append(Rate(name, cell, given, hits))
    return {name: sorted(of, key=lambda r: -r.beyond) for name, of in sorted(found.items())}


def told(of: list[Rate]) -> list[Rate]:
    """Those of cells in which the number was given often enough."""
    return [rate for rate in of if rate.given >= LEAST_GIVEN]


def border(tallies: dict[str, Tally]) -> list[str]:
    """Cells with a rate beyond its limit, the worst first; not what is shown aside."""
    worst: dict[str, float] = {}
    for name, of in rates(tallies).items():
        for rate in told(of) if not name.startswith(ASIDE) else ():
            if rate.beyond > 0:
                worst[rate.cell] = max(worst.get(rate.cell, 0.0), rate.beyond)
    return sorted(worst, key=lambda cell: -worst[cell])


def show(records: Records, part: str) -> Iterator[str]:
    """Everything about one part, in Markdown."""
    tallies, studies = records.tallies[part], records.studies[part].values()
    yield (
        f"\n### {part}: {len(tallies)} cells, {sum(studies):,} studies, {min(studies)} to "
        f"{max(studies)} per cell\n"
    )
    heads = ("measured", "cells", "given", "all, % (error)", "worst cell (error; given)", "outside")
    yield f"| {' | '.join(heads)} | over 98 % |"
    yield "|---|---:|---:|---:|---|---:|---:|"
    found = rates(tallies)
    for name in sorted(found, key=lambda n: (n.startswith(ASIDE), n.startswith(FALSE), n)):
        yield _row(name, found[name])
    yield from _not_given(tallies)


def _row(name: str, of: list[Rate]) -> str:
    every = Rate(name, "", sum(r.given for r in of), sum(r.hits for r in of))
    cells = told(of)
    outside, over = sum(r.beyond > ERRORS for r in cells), sum(r.conservative for r in cells)
    worst = "–"
    if cells:
        rate = cells[0]
        worst = f"{100 * rate.value:.1f} ({100 * rate.error:.1f}; {rate.given:g}): {rate.cell}"
    all_cells = f"{100 * every.value:.1f} ({100 * every.error:.1f})"
    return f"| {name} | {len(of)} | {every.given:g} | {all_cells} | {worst} | {outside} | {over} |"


NEVER = ("a constant", "not a parameter", "simulated", "no interval: noise", "no interval was")
"""How the reasons begin of what has an interval in no design."""


def _not_given(tallies: dict[str, Tally]) -> Iterator[str]:
    """For each number its cells without it, by the most frequent reason."""
    where: dict[tuple[str, str], list[str]] = {}
    for cell, tally in tallies.items():
        for name, reasons in tally.absent.items():
            given, missed = tally.counts.get(name, [0.0])[0], reasons.total()
            if missed > given and not next(iter(reasons)).startswith(NEVER):
                where.setdefault((name, _general(reasons.most_common(1)[0][0])), []).append(cell)
    if where:
        yield "\nNot given in most studies of these cells:\n"
    for (name, reason), cells in sorted(where.items()):
        kinds = sorted({cell.split()[0] for cell in cells})
        yield f"- {name}: {len(cells)} cells ({', '.join(kinds)}): {reason}"
    known = {name for tally in tallies.values() for name in tally.counts}
    unknown = {name for tally in tallies.values() for name in tally.unmeasured} - known
    if unknown:
        yield f"\nGiven, and not measured here: {', '.join(sorted(unknown))}."


def _general(reason: str) -> str:
    """A reason without the numbers of the study."""
    return "".join("n" if sign.isdigit() else sign for sign in reason)


def pooled(records: Records, part: str, name: str) -> Iterator[str]:
    """One number's rate by structure and place of the scale, all other levels pooled."""
    sums: dict[str, list[float]] = {}
    for cell, tally in records.tallies[part].items():
        given, hits = tally.counts.get(name, [0.0, 0.0])
        words = cell.split()
        found = sums.setdefault(" ".join(words[:3]), [0.0, 0.0])
        found[0] += given
        found[1] += hits
    for key, (given, hits) in sorted(sums.items()):
        if given >= LEAST_GIVEN:
            yield f"| {key} | {given:g} | {100 * hits / given:.1f} |"
