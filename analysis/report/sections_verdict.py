"""What the lead says of the comparisons: it speaks from the adjusted confirmatory tests only.

An interval that excludes zero is no verdict where the test's adjusted p-value does not reject: the
interval is of one comparison, the p-value of all that were to be made.
"""

from __future__ import annotations

from collections.abc import Sequence

from analysis.estimates.results import Estimate, HypothesisTest, Summary
from analysis.reading.plan import DEFAULT_TEST
from analysis.report.cells import many, with_interval
from analysis.report.sections_plan import look_words
from analysis.report.text import escape, p_value

MOST_NAMED = 6
"""With more tests than this on a side the lead names their comparisons, without estimates."""
MOST_COUNTED = 21
"""With more than this, as of seven methods, it only counts them."""


def verdict(summary: Summary) -> str:
    """The whole confirmatory family in one or two sentences; empty with a single method."""
    found, family = summary.recommended, summary.confirmatory
    if not any(name == DEFAULT_TEST for name, _ in found):
        return " ".join(_not_compared(summary))
    said = of_family(family, found, 1 - summary.level) if family else exploratory(summary)
    shown = [said, look_words(summary), *_not_compared(summary)]
    return " ".join(text for text in shown if text)


def of_family(
    family: Sequence[HypothesisTest], found: dict[tuple[str, str], Estimate], level: float
) -> str:
    """What the confirmatory tests say, of which there is at least one."""
    if len(family) == 1:
        return _single(family[0], found, level)
    rejected = [t for t in family if t.p_adjusted is not None and t.p_adjusted < level]
    others = [t for t in family if t.p_adjusted is not None and t.p_adjusted >= level]
    missing = len(family) - len(rejected) - len(others)
    text = (
        f"Of {many(len(family), 'confirmatory test')}, adjusted together by Holm’s method, "
        f"{len(rejected) or 'none'} {'rejects' if len(rejected) == 1 else 'reject'} at "
        f"{100 * level:.0f} %{_named(rejected, found)}."
    )
    if others:
        text += f" Inconclusive at this precision: {len(others)}{_named(others, found)}."
    return text + (f" Could not be made: {missing}." if missing else "")


def _named(tests: Sequence[HypothesisTest], found: dict[tuple[str, str], Estimate]) -> str:
    if not tests or len(tests) > MOST_COUNTED:
        return ""
    if len(tests) > MOST_NAMED:
        one = len({t.name for t in tests}) == 1
        return ": " + "; ".join(
            escape(t.method if one else f"{t.method} ({t.name})") for t in tests
        )
    return ": " + "; ".join(f"{_subject(t, found)} (adjusted p {_p(t)})" for t in tests)


def _subject(t: HypothesisTest, found: dict[tuple[str, str], Estimate]) -> str:
    """The test's comparison with its estimate, if one has the test's name; else with its label."""
    e = found.get((t.name, t.method))
    if e is None or e.value is None:
        return f"{escape(t.method)}, null hypothesis “{escape(t.label)}”"
    what = "" if t.name == DEFAULT_TEST else f", {escape(e.label)},"
    return f"{escape(t.method)}{what} {with_interval(e)}"


def _single(t: HypothesisTest, found: dict[tuple[str, str], Estimate], level: float) -> str:
    e = found.get((t.name, t.method))
    subject = f"The comparison {_subject(t, found)}"
    if e is not None and e.value is not None:
        subject = f"The {escape(e.label)}, {escape(t.method)}, is {with_interval(e)}"
    if t.p_adjusted is None:
        return f"{subject}: the confirmatory test could not be made, {escape(t.reason)}."
    if t.p_adjusted < level:
        return f"{subject}: the confirmatory test rejects its null hypothesis (p {_p(t)})."
    return (
        f"{subject}: the confirmatory test does not reject its null hypothesis (p {_p(t)}), so the "
        "result is inconclusive at this precision."
    )


def exploratory(summary: Summary, name: str = DEFAULT_TEST) -> str:
    """The differences of this name, which no confirmatory test judges; empty if there are none."""
    found = summary.recommended
    keys = [(name, f"{a} − {b}") for a, b in summary.comparisons]
    shown = [found[key] for key in keys if key in found]
    if not shown:
        return ""
    what = escape(shown[0].label)
    if len(shown) > MOST_NAMED:
        return f"Exploratory, without a confirmatory test: {what}, of {len(shown)} comparisons."
    listed = "; ".join(f"{escape(e.method)} {with_interval(e)}" for e in shown)
    return f"Exploratory, without a confirmatory test: {what}, {listed}."


def _not_compared(summary: Summary) -> Sequence[str]:
    """Comparisons of these methods that were not made."""
    n = len(summary.methods)
    left = n * (n - 1) // 2 - len(summary.comparisons)
    if left <= 0:
        return ()
    verb = "was" if left == 1 else "were"
    return (f"{many(left, 'other comparison')} of these {n} methods {verb} not made.",)


def _p(t: HypothesisTest) -> str:
    if t.p_adjusted is None:
        return ""
    shown = p_value(t.p_adjusted)
    return shown if shown.startswith("&lt;") else f"= {shown}"
