"""The part of a feature's page about steering: dose curves, what else moved, clips by dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from studyapp.features import services as feature_views
from studyapp.features.selectors import labels
from studyapp.features.views.shapes import Strip
from studyapp.features.views.steering_chart import dose_curve
from studyapp.models import Feature, Run
from studyapp.runs.services.steering_words import MEASURES, explained
from studyapp.runs.views.charts import interval, value

FIRST_MEASURE, OWN, OTHERS = "similarity", "own_moved", "others_moved"
Facts = Mapping[str, Any]


def context(feature: Feature, facts: Facts, given: QueryDict) -> dict[str, Any]:
    """What the page shows of the steering in a view's `facts`; `given` chooses measure and
    intervention."""
    found = facts.get("evaluation")
    return {
        "steered": _takes(feature, facts.get("steering", [])),
        "evaluation": _evaluation(feature, found, given) if found else None,
        "may_be_steered": feature.run.origin != Run.Origin.ITEMS,
    }


def picture_of(feature: Feature, name: str) -> str:
    """Return the address of a spectrogram, "" if it was not drawn."""
    exists = feature_views.picture(feature.run, name).exists()
    return reverse("picture", args=[feature.run_id, name]) if exists else ""


def _evaluation(feature: Feature, found: Facts, given: QueryDict) -> dict[str, Any]:
    """The dose curve that is asked for, and the tables beside it."""
    score, interventions = found.get("score"), found["interventions"]
    if not interventions:
        return {"score": score}
    chosen = given.get("intervention", "")
    if chosen not in interventions:
        chosen = next(iter(interventions))
    own = interventions[chosen]
    measure = given.get("measure", "")
    if measure not in own["curves"]:
        measure = next(iter(own["curves"]))
    sloped = measure if measure in own["slopes"] else FIRST_MEASURE
    # Without slopes it is an ablation, in other music than the random directions.
    random = found["random"].get(measure, []) if own["slopes"] else []
    return {
        "score": score,
        "seeds": found["seeds"],
        "measures": [
            (MEASURES[name], _address(given, measure=name), name == measure)
            for name in own["curves"]
        ],
        "chart": dose_curve(own["curves"][measure], random, MEASURES[measure], chosen),
        "sloped": MEASURES[sloped],
        "rows": [
            _row(name, one, sloped, _address(given, intervention=name), name == chosen)
            for name, one in interventions.items()
        ],
        "chosen": chosen,
        "own": value(_at_one(own["curves"].get(OWN, [])), 2),
        "others": value(_at_one(own["curves"].get(OTHERS, [])), 2),
        "random_others": own["slopes"] and value(_at_one(found["random"].get(OTHERS, [])), 2),
        "moved": _moved(feature, own["moved"]),
    }


def _address(given: QueryDict, **changed: str) -> str:
    """The page with another measure or intervention."""
    kept = {name: given.getlist(name) for name in given} | changed
    return f"?{urlencode(kept, doseq=True)}#steering"


def _row(name: str, one: Facts, measure: str, address: str, is_chosen: bool) -> dict[str, Any]:
    """An intervention's slope beside those of random directions, and its selectivity."""
    slope = one["slopes"].get(measure, {})
    return {
        "name": name,
        "help": explained(name),
        "address": address,
        "is_chosen": is_chosen,
        "slope": value(slope.get("slope")),
        "interval": interval(slope.get("low"), slope.get("high")),
        "random": value(slope.get("random_slope")),
        "q": value(slope.get("q")),
        "own": value(_at_one(one["curves"].get(OWN, [])), 2),
        "others": value(_at_one(one["curves"].get(OTHERS, [])), 2),
    }


def _at_one(points: Sequence[Facts]) -> float | None:
    """The mean at α = 1, the paper's dose."""
    return next((point["mean"] for point in points if point["alpha"] == 1.0), None)


def _moved(feature: Feature, rows: Sequence[Facts]) -> list[dict[str, Any]]:
    """The other features that moved most, with their labels."""
    known = labels.known(feature.run_id, [row["other"] for row in rows])
    return [
        {
            "identifier": row["other"],
            "feature": known[row["other"]][0] if row["other"] in known else None,
            "names": known[row["other"]][1] if row["other"] in known else [],
            "moved": f"{row['moved']:+.2f}",
            "random": value(row["random_moved"], 2),
        }
        for row in rows
    ]


def _takes(feature: Feature, rows: Sequence[Facts]) -> list[dict[str, Any]]:
    """A row of clips per seed and intervention: first without steering, then by dose."""
    takes: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        intervention = row.get("intervention", "add")
        take = takes.setdefault(
            (row["plain_clip"], intervention),
            {
                "prompt": row["prompt"],
                "seed": row["seed"],
                "intervention": intervention,
                "help": explained(intervention),
                "strips": [_strip(feature, row, "plain_clip", "without", "")],
            },
        )
        detail = f"{row['changed_share']:.0%} differ"
        take["strips"].append(_strip(feature, row, "clip", f"α = {row['alpha']:g}", detail))
    return [*takes.values()]


def _strip(feature: Feature, row: Facts, key: str, title: str, detail: str) -> Strip:
    name = row[key]
    exists = feature_views.steered_sound(feature.run, feature.sae, name).exists()
    own = [feature.run_id, feature.sae, name]
    return Strip(
        title=title,
        detail=detail,
        audio=reverse("steered-audio", args=own) if exists else "",
        picture=picture_of(feature, name),
        seconds=row["seconds"],
    )
