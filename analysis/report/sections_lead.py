"""The lead of an identification study: whether listeners recognised each method's labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.estimates.results import Estimate, Summary
from analysis.reading.plan import ACCURACY_TEST
from analysis.report.cells import MOST_COLUMNS, with_interval
from analysis.report.page import paragraph
from analysis.report.sections_verdict import exploratory, verdict
from analysis.report.text import escape, number, percent

CONFIDENT = 3.0
"""From this mean on, "somewhat confident", listeners are called confident."""


def recognition(summary: Summary) -> Iterator[str]:
    """Accuracy by method and its comparisons; nothing without identification trials.

    Where accuracy is in the confirmatory family, the verdict of the whole family stands here.
    """
    found = summary.recommended
    methods = [m for m in summary.methods if ("identification_accuracy", m) in found]
    if not methods:
        return
    if len(methods) <= MOST_COLUMNS:
        said = [_recognised(method, found) for method in methods]
    else:
        said = list(_listed(methods, found))
    said.append(
        verdict(summary) if judges_accuracy(summary) else exploratory(summary, ACCURACY_TEST)
    )
    said.append("Confidence is that in the chosen label, right or wrong.")
    yield paragraph(" ".join(text for text in said if text), "lead")


def judges_accuracy(summary: Summary) -> bool:
    """Whether the confirmatory family has a test of accuracy."""
    return any(t.name == ACCURACY_TEST for t in summary.confirmatory)


def _listed(methods: Sequence[str], found: dict[tuple[str, str], Estimate]) -> Iterator[str]:
    """Many methods, in up to three lists."""
    judged = {m: found["identification_corrected", m].low for m in methods}
    lists = {
        "Recognised above chance": [m for m, low in judged.items() if low is not None and low > 0],
        "Not recognised above chance": [
            m for m, low in judged.items() if low is not None and low <= 0
        ],
        "Cannot be judged, as chance or the interval is unknown": [
            m for m, low in judged.items() if low is None
        ],
    }
    for said, names in lists.items():
        if names:
            yield f"{said}: {', '.join(escape(name) for name in names)}."


def _recognised(method: str, found: dict[tuple[str, str], Estimate]) -> str:
    """One method's accuracy beside chance, and what it shows."""
    accuracy = found["identification_accuracy", method]
    chance, corrected = (
        found["identification_chance", method],
        found["identification_corrected", method],
    )
    name = f"<b>{escape(method)}</b>"
    text = (
        f"Listeners chose the feature’s own label of {name} in {with_interval(accuracy)} of trials"
    )
    if chance.value is None:
        return f"{text}; what random choice gives is unknown, so it cannot be judged."
    text += f", where random choice gives {percent(chance.value)}"
    if corrected.low is None or corrected.high is None:
        return f"{text}; there is no interval: {escape(corrected.reason)}."
    if corrected.low > 0:
        return f"{text}: its labels were recognised above chance."
    how = "(below chance)" if corrected.high < 0 else "above chance (the interval includes it)"
    said = f"{text}: {name} is not recognised {how}"
    confidence = found["mean_confidence", method].value or 0.0
    if confidence < CONFIDENT:
        return f"{said}."
    return f"{said}, although mean confidence was {number(confidence)}."
