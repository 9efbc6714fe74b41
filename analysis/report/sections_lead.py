"""The lead of an identification study: whether listeners recognised each method's labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.estimates.results import Estimate, Summary
from analysis.reading.plan import ACCURACY_TEST
from analysis.report.cells import MOST_COLUMNS, with_interval
from analysis.report.page import paragraph
from analysis.report.text import escape, number, p_value, percent

CONFIDENT = 3.0
"""From this mean on, "somewhat confident", listeners are called confident."""


def recognition(summary: Summary) -> Iterator[str]:
    """Accuracy by method and its comparisons; nothing without identification trials."""
    found = {(e.name, e.method): e for e in summary.estimates if e.recommended}
    methods = [m for m in summary.methods if ("identification_accuracy", m) in found]
    if not methods:
        return
    if len(methods) <= MOST_COLUMNS:
        said = [_recognised(method, found) for method in methods]
        said += [_compared(summary, f"{a} − {b}", found) for a, b in summary.comparisons]
    else:
        said = list(_listed(methods, found))
    said.append("Confidence is that in the chosen label, right or wrong.")
    yield paragraph(" ".join(text for text in said if text), "lead")


def _listed(methods: Sequence[str], found: dict[tuple[str, str], Estimate]) -> Iterator[str]:
    """Many methods, in two lists."""
    above = [m for m in methods if (found["identification_corrected", m].low or 0.0) > 0]
    for names, verdict in (
        (above, "Recognised above chance"),
        ([m for m in methods if m not in above], "Not recognised above chance"),
    ):
        if names:
            yield f"{verdict}: {', '.join(escape(name) for name in names)}."


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
        return f"{text}; what random choice gives is unknown."
    text += f", where random choice gives {percent(chance.value)}"
    if corrected.low is None or corrected.high is None:
        return f"{text}; there is no interval: {escape(corrected.reason)}."
    if corrected.low > 0:
        return f"{text}: its labels were recognised above chance."
    how = "(below chance)" if corrected.high < 0 else "above chance (the interval includes it)"
    verdict = f"{text}: {name} is not recognised {how}"
    confidence = found["mean_confidence", method].value or 0.0
    if confidence < CONFIDENT:
        return f"{verdict}."
    return f"{verdict}, although mean confidence was {number(confidence)}."


def _compared(summary: Summary, name: str, found: dict[tuple[str, str], Estimate]) -> str:
    """The difference in corrected accuracy, judged by its adjusted test if it is confirmatory."""
    difference = found.get((ACCURACY_TEST, name))
    if difference is None or difference.value is None:
        return ""
    text = f"The difference in accuracy corrected for chance, {escape(name)}, is "
    text += with_interval(difference)
    key = (ACCURACY_TEST, name, "confirmatory")
    judged = [t for t in summary.tests if (t.name, t.method, t.family) == key]
    if not judged or judged[0].p_adjusted is None:
        return f"{text}."
    return f"{text} (adjusted p {p_value(judged[0].p_adjusted)})."
