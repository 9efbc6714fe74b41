"""Which features listeners were most and least confident in, and confidence by SAE and layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analysis.estimates.clustering import WAYS
from analysis.estimates.descriptives import mean_confidence, ratings_of
from analysis.estimates.features import shrunken
from analysis.estimates.results import Estimate
from analysis.reading.labels import Labels
from analysis.reading.table import RUN_SEPARATOR, Responses

MOST = 10
"""Features at each end that the report names."""


@dataclass(frozen=True)
class Ranked:
    """One feature under one method."""

    label: str
    """The method's first label for it, else the most chosen one, else empty."""
    feature: str
    mean: float
    level: float | None
    """Its shrunken mean (`features.shrunken`), by which features are ordered where there is one."""
    n: int
    page: str
    """Address of a page with its sounds; empty where none is known."""


@dataclass(frozen=True)
class Group:
    """The features of one SAE."""

    sae: str
    hookpoint: str
    means: Mapping[str, Estimate]
    """Method to the mean confidence in its labels of these features."""


def ranked(
    responses: Responses, labels: Labels | None, method: str, pages: Mapping[str, str]
) -> list[Ranked]:
    """A method's features from the highest level to the lowest; ties in the order of their names.

    `pages` has for each run the address that its features' pages begin with.
    """
    frame, ratings = responses.of(method), ratings_of(responses, method)
    sums, found = ratings.by_feature(), shrunken(ratings)
    chosen = _most_chosen(frame)
    rows = []
    # The features are numbered in the sorted order of their keys (`intervals.codes`).
    for number, key in enumerate(sorted(frame["feature_key"].unique())):
        run, _, name = key.rpartition(RUN_SEPARATOR)
        first = labels.texts.get((key, method, 1), "") if labels else ""
        rows.append(
            Ranked(
                label=first or chosen.get(key, ""),
                feature=name,
                mean=float(sums.total[number] / sums.weight[number]),
                level=None if found is None else float(found.mean[number]),
                n=int(sums.weight[number]),
                page=_page(pages, run or _run_of(frame), name),
            )
        )
    return sorted(
        rows, key=lambda r: (-(r.mean if r.level is None else r.level), -r.mean, r.feature)
    )


def _most_chosen(frame: pd.DataFrame) -> dict[str, str]:
    if "chosen_label" not in frame.columns:
        return {}
    chosen = frame[frame["chosen_label"] != ""]
    counts = chosen.groupby(["feature_key", "chosen_label"], sort=True).size()
    # Of tied labels the first in alphabetical order.
    most = counts.sort_values(ascending=False, kind="stable").reset_index()
    first = most.drop_duplicates("feature_key")
    return dict(zip(first["feature_key"], first["chosen_label"], strict=True))


def _run_of(frame: pd.DataFrame) -> str:
    """The only run of a table whose features' keys do not name it."""
    runs = set(frame["run"]) - {""} if "run" in frame.columns else set()
    return str(next(iter(runs))) if len(runs) == 1 else ""


def _page(pages: Mapping[str, str], run: str, feature: str) -> str:
    return f"{pages[run]}{feature}/" if run in pages else ""


def by_sae(responses: Responses) -> list[Group]:
    """Confidence by SAE, for each method; empty where there is one SAE only."""
    frame = responses.ratings
    if "sae" not in frame.columns or frame["sae"].nunique() < 2:
        return []
    groups = []
    for sae, own in frame.groupby("sae", sort=True):
        hookpoints = sorted(own["hookpoint"].unique()) if "hookpoint" in own.columns else []
        means = {}
        for method in responses.methods:
            if (own["method"] == method).any():
                found = mean_confidence(ratings_of(own, method), seed=0, resamples=0, ways=WAYS)
                means[method] = next(e for e in found if e.recommended)
        groups.append(Group(str(sae), ", ".join(hookpoints), means))
    return groups
