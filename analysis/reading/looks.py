"""Looks at the results before a study ends: planned in `study.json`, and where a table stands.

The plan's entry is `"looks": {"fractions": [0.33, 0.67, 1], "spending": "obrien-fleming",
"participants": 120}`: after which shares of the planned participants the tests are made, how they
spend α (`estimates/looks`), and how many participants are planned in all; without `participants`
the number follows from the study's features, ratings per item and trials, which `study.json` has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.errors import refused_entry

OBRIEN_FLEMING, POCOCK = "obrien-fleming", "pocock"
SPENDINGS = (OBRIEN_FLEMING, POCOCK)
MOST_LOOKS = 10
MOST_PARTICIPANTS = 10_000_000
NEAR = 0.05
"""A table whose participants are this share of all planned ones away from a look is at that look:
places are given in parallel and some are lost, so that the exact number is seldom met."""


@dataclass(frozen=True)
class Looks:
    """The planned looks."""

    fractions: tuple[float, ...]
    """Shares of the planned participants, increasing, the last one 1."""
    spending: str
    participants: int | None = None
    """Planned in all; None: as the study's design says."""


@dataclass(frozen=True)
class Look:
    """The look that a table is at."""

    fractions: tuple[float, ...]
    """Of the looks up to this one."""
    of: int
    """How many looks were planned."""
    spending: str
    counted: int
    """Participants in the table."""
    planned: int
    """Participants in the whole study."""

    @property
    def number(self) -> int:
        """Its number, from 1."""
        return len(self.fractions)


def read_looks(given: Any) -> Looks | None:
    """The plan's entry; a malformed one is refused in one line."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise refused_entry("looks", given, "an object with fractions and spending")
    unknown = [key for key in given if key not in ("fractions", "spending", "participants")]
    if unknown:
        raise refused_entry("looks", unknown[0], "only fractions, spending and participants")
    spending = given.get("spending", OBRIEN_FLEMING)
    if spending not in SPENDINGS:
        raise refused_entry("looks: spending", spending, " or ".join(SPENDINGS))
    return Looks(_fractions(given.get("fractions")), spending, _people(given.get("participants")))


def _fractions(given: Any) -> tuple[float, ...]:
    found = given if isinstance(given, list) else []
    numbers = [float(f) for f in found if isinstance(f, int | float) and not isinstance(f, bool)]
    rising = all(a < b for a, b in zip([0.0, *numbers], numbers, strict=False))
    if len(numbers) != len(found) or not rising or numbers[-1:] != [1.0]:
        raise refused_entry("looks: fractions", given, "increasing shares of which the last is 1")
    if not 2 <= len(numbers) <= MOST_LOOKS:
        raise refused_entry("looks: fractions", given, f"2 to {MOST_LOOKS} shares")
    if min(b - a for a, b in zip([0.0, *numbers], numbers, strict=False)) <= 2 * NEAR:
        raise refused_entry("looks: fractions", given, f"shares more than {2 * NEAR:g} apart")
    return tuple(numbers)


def _people(given: Any) -> int | None:
    if given is None:
        return None
    whole = isinstance(given, int) and not isinstance(given, bool)
    if not whole or not 1 <= given <= MOST_PARTICIPANTS:
        raise refused_entry("looks: participants", given, "a whole number above 0")
    return int(given)


def planned_participants(study: Mapping[str, Any] | None, looks: Looks | None) -> int | None:
    """How many participants were planned; None where neither plan nor design says so."""
    if looks is not None and looks.participants is not None:
        return looks.participants
    design = (study or {}).get("design")
    if not isinstance(design, Mapping):
        return None
    numbers = [design.get(key) for key in ("features_wanted", "ratings_per_item")]
    trials, conditions = design.get("trials_per_participation"), design.get("conditions")
    counts = [n for n in (*numbers, trials) if isinstance(n, int) and n > 0]
    if len(counts) < 3 or not isinstance(conditions, list) or not conditions:
        return None
    # As the site counts its places: a condition's own between participants, all together within.
    features, ratings, each = counts
    if design.get("design") == "within":
        return -(-len(conditions) * features * ratings // each)
    return len(conditions) * -(-features * ratings // each)


def look_at(looks: Looks | None, planned: int | None, counted: int) -> Look | None:
    """The planned look that a table with so many participants is at, if it is at one."""
    if looks is None or planned is None:
        return None
    for k, fraction in enumerate(looks.fractions, start=1):
        last = fraction == 1.0
        if abs(counted - fraction * planned) <= NEAR * planned or (last and counted > planned):
            return Look(looks.fractions[:k], len(looks.fractions), looks.spending, counted, planned)
    return None


def unplanned(
    study: Mapping[str, Any] | None, looks: Looks | None, planned: int | None, counted: int
) -> str:
    """Why no test at this number of participants is confirmatory; empty where one can be."""
    if looks is not None:
        if planned is None:
            return (
                "The plan has looks but does not say of how many participants, and study.json "
                "does not either: nothing in this report is confirmatory."
            )
        if look_at(looks, planned, counted) is None:
            places = ", ".join(f"{round(f * planned)}" for f in looks.fractions)
            return (
                f"This report was made after {counted} participants. The plan looks at the results "
                f"after {places}: nothing in this report is confirmatory."
            )
        return ""
    if planned is None or counted >= (1 - NEAR) * planned or not _under_way(study):
        return ""
    return (
        f"This report was made after {counted} of {planned} planned participants, while the study "
        "went on, and the plan has no looks before the end: nothing in this report is confirmatory."
    )


def _under_way(study: Mapping[str, Any] | None) -> bool:
    """Whether `study.json` says that more answers may come."""
    design = (study or {}).get("design")
    return isinstance(design, Mapping) and design.get("state") in ("open", "paused")
