"""What a run found, for its page and for comparing runs: a table of SAEs, and charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studyapp.runs.services.scorers import explained
from studyapp.runs.views import run_charts, score_charts
from studyapp.runs.views.charts import percent, value
from studyapp.runs.views.run_charts import Findings

SHOWN_FIRST = 4
"""Pictures of single SAEs on a run's page unless all are asked for: the paper has twenty SAEs."""


@dataclass(frozen=True)
class SaeRow:
    """A row of the table of SAEs."""

    name: str
    hookpoint: str
    explained: str
    l0: str
    dead: str
    dense: str
    recovered: str
    """Share of the subject's loss; empty in a run whose SAEs were not measured so."""
    kept: int
    kept_of: str
    """Of how many latents, in words."""
    dropped: list[tuple[str, str]]
    medians: list[str]
    """Of the methods, in the table's order."""


def page(found: Mapping[str, Findings], *, whole: bool = False) -> dict[str, Any]:
    """Return the findings of a run as a page shows them; `found`: stage → its stored figures.

    Of single SAEs only the first few have a picture, unless the `whole` page is asked for.
    """
    features, scores = (usable(found, stage) for stage in ("features", "scores"))
    training = _measured(usable(found, "sae"), usable(found, "quality"))
    rows = _rows(training, features, scores)
    spots = run_charts.spots(features)
    return {
        "faults": [data["fault"] for data in found.values() if "fault" in data],
        "methods": _methods(scores),
        "scorer": scores.get("main", ""),
        "scorer_is": explained(scores.get("main", "")),
        "saes": rows,
        "recovered": any(row.recovered for row in rows),
        "loss_tracks": max((s.get("loss_tracks", 0) for s in training["saes"].values()), default=0),
        "filter": features.get("filter"),
        "tracks": features.get("tracks"),
        "borders": [text for _, text in run_charts.borders(features)],
        "charts": [
            chart
            for chart in (
                run_charts.curves(training),
                run_charts.densities(training),
                run_charts.kept_chart({"": features}),
                *score_charts.score_charts({"": scores}),
            )
            if chart is not None
        ],
        "spots": spots if whole else spots[:SHOWN_FIRST],
        "all_spots": len(spots),
        "best": [
            {**one, "index": one["feature"].rpartition("/")[2], "score": value(one["score"])}
            for one in scores.get("best", [])
        ],
    }


def comparison(found: Mapping[str, Mapping[str, Findings]]) -> dict[str, Any]:
    """Return the findings of several runs side by side; `found`: run's name → stage → figures."""
    training, features, scores = (
        {run: usable(stages, stage) for run, stages in found.items()}
        for stage in ("sae", "features", "scores")
    )
    drawn = (
        run_charts.explained_chart(training),
        run_charts.kept_chart(features),
        *score_charts.score_charts(scores),
    )
    return {"charts": [chart for chart in drawn if chart is not None]}


def usable(found: Mapping[str, Findings], stage: str) -> Findings:
    """Return a stage's figures; empty if there are none, or if they could not be made."""
    data = found.get(stage, {})
    return {} if "fault" in data else data


def _measured(training: Findings, quality: Findings) -> dict[str, Any]:
    """Return the figures of every SAE, those that were measured after the run in place of those of
    its training. An SAE that was trained elsewhere may have no others."""
    saes = {name: dict(of) for name, of in training.get("saes", {}).items()}
    for name, later in quality.get("saes", {}).items():
        saes[name] = {"curve": {"every": 1, "points": []}} | saes.get(name, {}) | later
    return {**training, "saes": saes}


def _methods(scores: Findings) -> list[str]:
    main = scores.get("scorers", {}).get(scores.get("main", ""), {})
    return [*main.get("methods", {})]


def _rows(training: Findings, features: Findings, scores: Findings) -> list[SaeRow]:
    trained, filtered = training.get("saes", {}), features.get("saes", {})
    graded = scores.get("scorers", {}).get(scores.get("main", ""), {}).get("methods", {})
    rows = []
    for sae in dict.fromkeys([*trained, *filtered]):
        held_out = trained.get(sae, {}).get("held_out") or {}
        own = filtered.get(sae, {})
        medians = [of["saes"].get(sae, {}).get("median") for of in graded.values()]
        rows.append(
            SaeRow(
                name=sae,
                hookpoint=own.get("hookpoint", ""),
                explained=percent(run_charts.explained(held_out)),
                l0=value(held_out.get("l0"), 1),
                dead=percent(held_out.get("dead_share")),
                dense=percent(held_out.get("dense_share")),
                recovered=_recovered(trained.get(sae, {})),
                kept=own.get("kept", 0),
                kept_of=f"{own['kept']:,} of {own['latents']:,}" if own else "–",
                dropped=[(why, f"{count:,}") for why, count in own.get("dropped", {}).items()],
                medians=[value(median) for median in medians],
            )
        )
    return rows


def _recovered(sae: Findings) -> str:
    return percent(sae.get("loss_recovered")) if sae.get("loss_tracks") else ""
