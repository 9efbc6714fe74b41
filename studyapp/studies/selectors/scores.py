"""The scores of methods' first labels, by which the best features of a run are chosen."""

from __future__ import annotations

from collections.abc import Sequence

from studyapp.models import LabelCandidate, Run
from studyapp.models.runs import is_control


def first_label_scores(
    runs: Sequence[Run], *, scorer: str, method: str = ""
) -> dict[int, tuple[float, str]]:
    """Feature key → the score of the method's first label and the method.

    Without a method, of the best-scored first label of any method that is no control.
    """
    rows = LabelCandidate.objects.filter(
        feature__run__in=runs, rank=1, status=LabelCandidate.Status.OK
    )
    if method:
        rows = rows.filter(method=method)
    found: dict[int, tuple[float, str]] = {}
    for pk, name, scores in rows.order_by("method").values_list("feature_id", "method", "scores"):
        score = scores.get(scorer)
        if score is None or is_control(name):
            continue
        if pk not in found or score > found[pk][0]:
            found[pk] = (score, name)
    return found


def scorers_of(runs: Sequence[Run]) -> list[str]:
    """The scorers that graded labels in all of these runs; the browser's own comes first."""
    known = [run.facets.get("scorers", []) for run in runs]
    own = [run.facets.get("scorer", "") for run in runs]
    common = sorted(set.intersection(*map(set, known))) if known else []
    return sorted(common, key=lambda name: (name not in own, name))
