"""The study's analysis plan (`analysis_plan` in `study.json`), and every departure from it.

A plan may have these entries, all of them optional:

- `comparisons`: pairs of methods, `[["essentia", "gemini"]]`, the first minus the second;
- `confirmatory`: names of tests (`PLANNABLE`, `PAIR_KINDS`); Holm's family is these tests of these
  comparisons, and those of pairs for each method;
- `equivalence_bound`, `statuses`, `resamples`, `seed`: as the command's options of those names;
- `looks`: when the tests are made before the study ends, and how they spend α (`looks`);
- `text`: prose, shown unchanged.

A plan that was frozen after the first answer names no family: its tests are exploratory, and the
confirmatory ones are the program's default, of every comparison.

An option of the command overrides the plan and is then a deviation. Any other entry cannot be
followed, which is a deviation too. The report lists every deviation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analysis.errors import quote, refused_entry
from analysis.reading.columns import STATUSES, WIDEST, time_of
from analysis.reading.looks import Looks, read_looks

DEFAULT_TEST = "difference_mean_confidence"
ACCURACY_TEST = "difference_identification_corrected"
"""The default where every trial is an identification trial: accuracy is the outcome there."""
FIRST_LABEL_TEST = "difference_share_first_label"
EQUIVALENCE_TEST = "equivalence_mean_confidence"
PLANNABLE = (
    DEFAULT_TEST,
    "difference_paired_by_feature",
    "superiority_ratings",
    EQUIVALENCE_TEST,
    "permutation_participant_means",
    "sign_flip_participant_means",
    "welch_participant_means",
    "brunner_munzel_participant_means",
    "clmm_logit_wald",
    ACCURACY_TEST,
    FIRST_LABEL_TEST,
    "logistic_identification_wald",
    "logistic_first_label_wald",
)
PAIR_TEST = "pair_"
DOSES = f"{PAIR_TEST}doses"
PAIR_KINDS = (
    f"{PAIR_TEST}steered_plain",
    f"{PAIR_TEST}steered_random",
    f"{PAIR_TEST}steered_prompt",
    DOSES,
    f"{PAIR_TEST}prompt_plain",
    f"{PAIR_TEST}prompt_random",
    f"{PAIR_TEST}random_plain",
)
"""Comparisons within pair trials, whose tests a plan can name too: they have no pair of methods,
but are made for each method's labels."""
OPTIONS = ("comparisons", "equivalence_bound", "statuses", "resamples", "seed")
KNOWN = (*OPTIONS, "confirmatory", "looks", "text")
MOST_TEXT = 10_000
"""Characters of the plan's prose that are kept."""
LEAST_RESAMPLES, MOST_RESAMPLES = 100, 1_000_000


@dataclass(frozen=True)
class Plan:
    """A plan as read; None for an entry that it does not have."""

    comparisons: tuple[tuple[str, str], ...] | None = None
    confirmatory: tuple[str, ...] | None = None
    equivalence_bound: float | None = None
    statuses: tuple[str, ...] | None = None
    resamples: int | None = None
    seed: int | None = None
    looks: Looks | None = None
    text: str = ""
    unknown: tuple[str, ...] = ()
    """Its entries that this analysis cannot follow."""

    @property
    def named(self) -> bool:
        """Whether the plan names a family of confirmatory tests."""
        return self.comparisons is not None or self.confirmatory is not None

    @property
    def without_family(self) -> Plan:
        """The plan as if it named no comparisons and no confirmatory tests."""
        return dataclasses.replace(self, comparisons=None, confirmatory=None)

    @property
    def exploratory(self) -> Plan:
        """The plan as if it named no test confirmatory."""
        return dataclasses.replace(self, confirmatory=())

    def family(self, test: str, pair: tuple[str, str], default: str = DEFAULT_TEST) -> bool:
        """Whether this test of this comparison is confirmatory; `default` if none is named."""
        tests = (default,) if self.confirmatory is None else self.confirmatory
        return test in tests and (self.comparisons is None or pair in self.comparisons)

    def family_of_pairs(self, test: str, default: str = "") -> bool:
        """Whether a comparison within pairs is confirmatory; `default` if none is named."""
        return test in ((default,) if self.confirmatory is None else self.confirmatory)


def read_plan(study: Mapping[str, Any] | None) -> Plan:
    """The plan in a `study.json`; a malformed entry is refused in one line."""
    given = (study or {}).get("analysis_plan") or {}
    if not isinstance(given, Mapping):
        raise refused_entry("analysis_plan", given, "a JSON object")
    return Plan(
        comparisons=_comparisons(given.get("comparisons")),
        confirmatory=_names(given.get("confirmatory"), "confirmatory", (*PLANNABLE, *PAIR_KINDS)),
        equivalence_bound=_number(given.get("equivalence_bound"), "equivalence_bound"),
        statuses=_names(given.get("statuses"), "statuses", STATUSES),
        resamples=_whole(given.get("resamples"), "resamples", LEAST_RESAMPLES, MOST_RESAMPLES),
        seed=_whole(given.get("seed"), "seed", 0, 2**63 - 1),
        looks=read_looks(given.get("looks")),
        text=str(given.get("text") or "")[:MOST_TEXT],
        unknown=tuple(str(key) for key in given if key not in KNOWN),
    )


def _comparisons(given: Any) -> tuple[tuple[str, str], ...] | None:
    if given is None:
        return None
    expected = "a list of pairs of two different methods"
    pairs: list[Any] = given if isinstance(given, list) else [None]
    for pair in pairs:
        names = pair if isinstance(pair, list) else []
        if len(names) != 2 or not all(isinstance(n, str) for n in names) or names[0] == names[1]:
            raise refused_entry("comparisons", given, expected)
    found = tuple((str(a), str(b)) for a, b in pairs)
    if len({frozenset(pair) for pair in found}) < len(found):
        raise refused_entry("comparisons", given, f"{expected}, each once")
    return found


def _names(given: Any, name: str, known: Sequence[str]) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not given:
        raise refused_entry(name, given, "a list of " + ", ".join(known))
    for item in given:
        if item not in known:
            raise refused_entry(name, item, "one of " + ", ".join(known))
    return tuple(dict.fromkeys(str(item) for item in given))


def _number(given: Any, name: str) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= WIDEST:
        raise refused_entry(name, given, f"a number above 0 and at most {WIDEST}")
    return float(given)


def _whole(given: Any, name: str, least: int, most: int) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise refused_entry(name, given, f"a whole number from {least} to {most}")
    return given


def departures(plan: Plan, asked: Mapping[str, object]) -> list[str]:
    """Where the command's options (`asked`; None: not given) differ from the plan, in words."""
    found = [
        f"The plan says {name} {_shown(planned)}; this analysis used {_shown(asked[name])}."
        for name in OPTIONS
        if (planned := getattr(plan, name)) is not None
        and asked[name] is not None
        and asked[name] != planned
    ]
    unknown = [
        f"The plan has an entry {quote(key)}, which this analysis does not know."
        for key in plan.unknown
    ]
    return found + unknown


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(" − ".join(v) if isinstance(v, tuple) else str(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def too_late(study: Mapping[str, Any] | None, answered: Sequence[str]) -> str:
    """Why the plan in `study.json` was not fixed before the first answer; empty where it was.

    Empty too where `study.json` has no `frozen_at`, or the table no times of answers.
    """
    if not study or "frozen_at" not in study:
        return ""
    if not study["frozen_at"]:
        return "The study was never frozen: nothing in study.json was fixed beforehand."
    frozen, times = _time(study["frozen_at"]), [t for t in map(_time, answered) if t is not None]
    if frozen is not None and times and min(times) < frozen:
        return "The study was frozen after its first answer: its plan was not fixed beforehand."
    return ""


def fixed(study: Mapping[str, Any] | None, answered: Sequence[str]) -> str:
    """When the plan was fixed: `before` the first answer, `after` it (or never), or `unknown`."""
    if too_late(study, answered):
        return "after"
    frozen = _time((study or {}).get("frozen_at"))
    return "before" if frozen is not None and any(map(_time, answered)) else "unknown"


def _time(text: Any) -> datetime | None:
    return time_of(text) if isinstance(text, str) else None
