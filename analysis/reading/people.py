"""Who took part: counts from `participants.csv`, and what those who entered said of themselves.

Without that file, or without the statuses in it, only the participations with an answer are known,
and nothing of them is told here. Whoever left before consent has no method yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median, quantiles, stdev

from analysis.reading.columns import time_of, whole
from analysis.reading.companions import read_table
from analysis.reading.table import Responses

Person = Mapping[str, str]
"""A row of `participants.csv`."""

NO_METHOD = "no method yet"
NOT_SAID = "not said"
WORDS = {
    "not_said": NOT_SAID,
    "over_ear": "over-ear headphones",
    "in_ear": "in-ear headphones",
    "built_in": "built-in loudspeakers",
    "loudspeakers": "loudspeakers",
    "other": "something else",
}
"""Codes of answers in words."""


@dataclass(frozen=True)
class Sample:
    """Counts and characteristics; plain data for `summary.json`."""

    by_method: dict[str, dict[str, int]] = field(default_factory=dict)
    """Method (or `NO_METHOD`) to step (`STEPS`) to the number of participations."""
    ages: dict[str, int] = field(default_factory=dict)
    """Age band to participations that entered; `NOT_SAID` where it was left out."""
    devices: dict[str, int] = field(default_factory=dict)
    """Listening device to participations that entered."""
    headphones: tuple[int, int] = (0, 0)
    """Participations that entered and passed the headphone check, of those that took it."""
    training: dict[str, float] = field(default_factory=dict)
    """`mean`, `sd`, `lowest`, `highest` and `n` of the score of musical training."""
    minutes: dict[str, float] = field(default_factory=dict)
    """`median`, `lower` and `upper` quartile, and `n`, from first page to last."""

    @property
    def known(self) -> bool:
        """Whether there is a `participants.csv`."""
        return bool(self.by_method)

    def total(self, step: str) -> int:
        """Participations of all methods."""
        return sum(counts[step] for counts in self.by_method.values())


STEPS = {
    "started": "started",
    "refused": "refused consent",
    "screened_out": "screened out",
    "left_before": "left before a first answer",
    "left_after": "left, or ran out of time, after an answer",
    "complete": "of a status that counts ({statuses})",
    "excluded": "of these, not in the estimates (exclusion rules, or no answer that counts)",
    "entered": "entered the estimates",
}
"""What became of a participation, in order, as the table's rows say it."""


def read_sample(folder: Path, read: Responses, entered: Responses) -> Sample:
    """The sample of a table as read, of which `entered` is what exclusions left."""
    rows = read_table(folder, "participants.csv", ("participation",))
    if not rows or "participation_status" not in rows[0]:
        return Sample()
    answered = set(read.rows["participation"])
    people = _of_kind(rows, answered)
    names, counted = set(entered.ratings["participation"]), set(read.statuses)
    by_method: dict[str, dict[str, int]] = {}
    for person in people:
        method = person.get("method", "").strip()
        if not method:
            method = _all_methods(read) if person["participation"] in answered else NO_METHOD
        counts = by_method.setdefault(method, dict.fromkeys(STEPS, 0))
        for step in _steps(person, counted, names):
            counts[step] += 1
    inside = [person for person in people if person["participation"] in names]
    return Sample(
        by_method={name: by_method[name] for name in sorted(by_method, key=_last)},
        ages=_counted(inside, "age_band", sorted),
        devices=_counted(inside, "listening_device", _most_first),
        headphones=_passed(inside),
        training=_training(inside),
        minutes=_minutes(inside),
    )


def _of_kind(rows: Sequence[Person], answered: set[str]) -> list[Person]:
    """People, or simulated listeners if the answers are theirs."""

    def simulated(row: Person) -> bool:
        return row.get("simulated", "").lower() == "true"

    kinds = {simulated(row) for row in rows if row["participation"] in answered}
    kind = kinds == {True}
    return [row for row in rows if simulated(row) == kind]


def _all_methods(read: Responses) -> str:
    """What stands for the method of a participation that has no single one."""
    return " + ".join(read.methods)


def _last(name: str) -> tuple[bool, str]:
    return name == NO_METHOD, name


def _steps(person: Person, counted: set[str], entered: set[str]) -> list[str]:
    """Every count that a participation belongs to."""
    status = person["participation_status"]
    found = ["started"]
    if status in ("refused", "screened_out") and status not in counted:
        return [*found, status]
    answered = whole(person.get("trials_answered", "")) or 0
    if status not in counted:
        return [*found, "left_after" if answered else "left_before"]
    inside = person["participation"] in entered
    return [*found, "complete", "entered" if inside else "excluded"]


def _counted(
    people: Sequence[Person], column: str, ordered: Callable[[dict[str, int]], list[str]]
) -> dict[str, int]:
    """How often each answer was given; nothing where the column is missing or always empty."""
    given = [person.get(column, "") for person in people]
    if not any(given):
        return {}
    counts = Counter(WORDS.get(value, value) or NOT_SAID for value in given)
    names = [name for name in ordered(dict(counts)) if name != NOT_SAID]
    return {name: counts[name] for name in [*names, NOT_SAID] if counts[name]}


def _most_first(counts: dict[str, int]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))


def _passed(people: Sequence[Person]) -> tuple[int, int]:
    judged = [p["headphones"].lower() for p in people if p.get("headphones")]
    return judged.count("true"), len(judged)


def _training(people: Sequence[Person]) -> dict[str, float]:
    scores = [whole(person.get("musical_training", "")) for person in people]
    known = [float(score) for score in scores if score is not None]
    if len(known) < 2:
        return {}
    return {
        "mean": mean(known),
        "sd": stdev(known),
        "lowest": min(known),
        "highest": max(known),
        "n": len(known),
    }


def _minutes(people: Sequence[Person]) -> dict[str, float]:
    """From the first page to the end, of participations whose times are both known."""
    found = []
    for person in people:
        start, end = (time_of(person.get(name, "")) for name in ("created_at", "finished_at"))
        if start is not None and end is not None:
            found.append((end - start).total_seconds() / 60)
    if len(found) < 2:
        return {}
    lower, _, upper = quantiles(found, n=4, method="inclusive")
    return {"median": median(found), "lower": lower, "upper": upper, "n": len(found)}
