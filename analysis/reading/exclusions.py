"""Exclusions by the study's rules, which `study.json` has under `exclusion_rules`.

Each rule leaves whole participations, or single responses, out of the estimates; the table itself
is not changed. Results are shown with and without exclusions. Rules given on the command line
replace the plan's and are reported as a deviation.

To add a rule over participations, add its line to `RULES`; over responses, to `RESPONSE_RULES`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import AnalysisError, quote
from analysis.reading.columns import whole
from analysis.reading.companions import read_study
from analysis.reading.quality import participations
from analysis.reading.table import Responses, accounting_of
from analysis.reading.text_files import read_json


def _at_most(column: str, total: str) -> Callable[[pd.DataFrame, float], pd.Series[bool]]:
    def out(table: pd.DataFrame, limit: float) -> pd.Series[bool]:
        return (table[total] - table[column]) > limit

    return out


def _under(column: str) -> Callable[[pd.DataFrame, float], pd.Series[bool]]:
    return lambda table, limit: table[column] < limit


def _over(column: str) -> Callable[[pd.DataFrame, float], pd.Series[bool]]:
    return lambda table, limit: table[column] > limit


def _flagged(column: str) -> Callable[[pd.DataFrame, float], pd.Series[bool]]:
    return lambda table, wanted: table[column].fillna(False).astype(bool) & bool(wanted)


@dataclass(frozen=True)
class Rule:
    """A rule over participations.

    A participation whose figure is missing (without repeats, for example) stays in.
    """

    needs: tuple[str, ...]
    """The columns of `quality.participations` that it reads."""
    out: Callable[[pd.DataFrame, float], pd.Series[bool]]
    """From that table and the rule's limit to whether each participation is left out."""
    meaning: str
    """Whom it leaves out, in words; `{}` is the limit."""


RULES: dict[str, Rule] = {
    "max_failed_catch": Rule(
        ("catch_passed", "catch_trials"),
        _at_most("catch_passed", "catch_trials"),
        "participations that failed more than {} catch trials",
    ),
    "min_median_response_ms": Rule(
        ("median_response_ms",),
        _under("median_response_ms"),
        "participations whose median answer took less than {} ms",
    ),
    "max_share_under_clip_length": Rule(
        ("share_under_clip_length",),
        _over("share_under_clip_length"),
        "participations that answered more than a share of {} in less time than the clips last",
    ),
    "same_confidence": Rule(
        ("same_confidence",),
        _flagged("same_confidence"),
        "participations with the same confidence throughout",
    ),
    "same_position": Rule(
        ("same_position",),
        _flagged("same_position"),
        "participations that chose the same position throughout",
    ),
    "inconsistent": Rule(
        ("inconsistent",),
        _flagged("inconsistent"),
        "participations that chose another label in every repeat",
    ),
}
RESPONSE_RULES = {
    "min_response_ms": "responses that took less than {} ms",
    "max_hidden_ms": "responses whose page was hidden for more than {} ms",
}


@dataclass(frozen=True)
class Exclusion:
    """What one rule did."""

    rule: str
    limit: float
    meaning: str
    n_participations: int
    """Participations that it leaves out (0 for a rule over responses)."""
    n_responses: int
    """Main responses with a confidence that it leaves out."""
    applied: bool
    reason: str = ""
    """Why a rule could not be applied."""


@dataclass(frozen=True)
class Excluded:
    """A table after the rules were applied."""

    responses: Responses
    exclusions: tuple[Exclusion, ...]
    source: str
    """`plan`, `deviation` (other rules than the plan's), `given` (no plan) or `none`."""


def exclude(responses: Responses, folder: Path, given: Path | None = None) -> Excluded:
    """Apply the plan's rules, or those of the file `given` instead."""
    study = read_study(folder)
    planned = _rules((study or {}).get("exclusion_rules") or {}, "study.json")
    if given is None:
        rules, source = planned, "plan" if planned else "none"
    else:
        rules = _rules(read_json(given), given.name)
        _check_known(rules, given.name)
        source = "plan" if rules == planned else "deviation" if study is not None else "given"
    if not rules:
        return Excluded(responses, (), source)
    table = participations(responses, folder)
    kept, done = responses.ratings, []
    for name, limit in rules.items():
        out, exclusion = _apply(name, limit, table, responses.ratings)
        kept = kept[~out.reindex(kept.index)]
        done.append(exclusion)
    if kept.empty:
        raise AnalysisError(f"{responses.name}: the exclusion rules leave no responses")
    after = dataclasses.replace(
        responses,
        ratings=kept.reset_index(drop=True),
        accounting=accounting_of(responses.accounting, kept),
    )
    return Excluded(after, tuple(done), source)


def _rules(given: Any, name: str) -> dict[str, float]:
    if not isinstance(given, Mapping):
        raise AnalysisError(f"{name}: exclusion rules are not a JSON object")
    for rule, limit in given.items():
        if rule in _KNOWN and not _is_limit(limit):
            raise AnalysisError(
                f"{name}: {rule} is {quote(str(limit))}, expected a number of 0 or more"
            )
    return {str(rule): float(limit) if _is_limit(limit) else 0.0 for rule, limit in given.items()}


_KNOWN = [*RULES, *RESPONSE_RULES]


def _is_limit(limit: object) -> bool:
    return isinstance(limit, bool | int | float) and 0 <= limit < 1e12


def _check_known(rules: Mapping[str, float], name: str) -> None:
    for rule in rules:
        if rule not in _KNOWN:
            known = ", ".join(_KNOWN)
            raise AnalysisError(f"{name}: unknown exclusion rule {quote(rule)}; known: {known}")


def _apply(
    name: str, limit: float, table: pd.DataFrame, ratings: pd.DataFrame
) -> tuple[pd.Series[bool], Exclusion]:
    nobody = pd.Series(False, index=ratings.index)
    if name not in _KNOWN:
        reason = "the plan names a rule that this analysis does not know"
        return nobody, Exclusion(name, limit, name, 0, 0, False, reason)
    meaning = (RULES[name].meaning if name in RULES else RESPONSE_RULES[name]).format(f"{limit:g}")
    missing = _missing(name, table, ratings)
    if missing:
        reason = f"the table has no data for {missing}"
        return nobody, Exclusion(name, limit, meaning, 0, 0, False, reason)
    if name in RULES:
        who = set(table.loc[RULES[name].out(table, limit), "participation"])
        out = ratings["participation"].isin(who)
        return out, Exclusion(name, limit, meaning, len(who), int(out.sum()), True)
    column = name.split("_", 1)[1]
    ms = ratings[column].map(whole).astype(float)
    out = (ms < limit) if name.startswith("min") else (ms > limit)
    return out, Exclusion(name, limit, meaning, 0, int(out.sum()), True)


def _missing(name: str, table: pd.DataFrame, ratings: pd.DataFrame) -> str:
    needs = RULES[name].needs if name in RULES else (name.split("_", 1)[1],)
    columns = table.columns if name in RULES else ratings.columns
    return ", ".join(column for column in needs if column not in columns)
