"""The columns that the feature browser filters and sorts by, computed once from a run's labels.

Controls are left out of all of them: their labels belong to other features.

`agreement` is the mean over pairs of methods of the Jaccard overlap of the words in their three
best labels: 1 if they use the same words, 0 if they share none. It compares words, not meanings.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

from django.db import connection

from studyapp.core.batches import batched
from studyapp.core.text import fold
from studyapp.models import Feature, LabelCandidate, Run
from studyapp.models.runs import is_control

BATCH = 500
BEST = 3
SMALL_WORDS = frozenset({"a", "an", "and", "at", "in", "of", "on", "or", "the", "to", "with"})
LAYER = re.compile(r"layers\.(\d+)")
COLUMNS = ("layer", "score", "score_method", "agreement", "label_text")


def fill(run: Run) -> None:
    """Fill the browser's columns of every feature of the run, and the run's facets.

    Of the scorers whose scores may be compared, the first that the run has gives the scores.
    """
    from pipeline.scorers import COMPARABLE

    methods, scorers = _methods_and_scorers(run)
    scorer = next((name for name in COMPARABLE if name in scorers), "")
    saes: dict[str, int] = {}
    counts = {"features": 0, "scored": 0, "compared": 0}
    features = run.features.order_by("pk").only("pk", "sae", "hookpoint")
    for batch in batched(features.iterator(chunk_size=BATCH), BATCH):
        labels = _labels(batch)
        for feature in batch:
            _fill_one(feature, labels[feature.pk], scorer)
            saes.setdefault(feature.sae, feature.layer)
            counts["features"] += 1
            counts["scored"] += feature.score is not None
            counts["compared"] += feature.agreement is not None
        Feature.objects.bulk_update(batch, COLUMNS)
    run.facets = {
        "saes": sorted(saes),
        "layers": sorted(set(saes.values())),
        "methods": sorted(methods),
        "scorers": sorted(scorers),
        "scorer": scorer,
        **counts,
    }
    run.save(update_fields=["facets"])
    with connection.cursor() as cursor:
        # Without statistics SQLite would use any index with a range, however wide the range is.
        cursor.execute(f"ANALYZE {Feature._meta.db_table}")


def agreement(texts: Iterable[Iterable[str]]) -> float | None:
    """Return the mean overlap of words between methods' labels; None for fewer than two methods."""
    words = [found for labels in texts if (found := _words(labels))]
    if len(words) < 2:
        return None
    overlaps = [len(a & b) / len(a | b) for a, b in combinations(words, 2)]
    return round(sum(overlaps) / len(overlaps), 4)


def _methods_and_scorers(run: Run) -> tuple[set[str], set[str]]:
    """Every method and every scorer of the run's successful labels."""
    methods: set[str] = set()
    scorers: set[str] = set()
    rows = LabelCandidate.objects.filter(feature__run=run, status=LabelCandidate.Status.OK)
    values = rows.order_by().values_list("method", "scores")
    for method, scores in values.iterator(chunk_size=BATCH * 10):
        methods.add(method)
        scorers.update(scores)
    return methods, scorers


def _fill_one(feature: Feature, labels: Sequence[LabelCandidate], scorer: str) -> None:
    own = [label for label in labels if not is_control(label.method)]
    best: dict[str, list[str]] = defaultdict(list)
    for label in own:
        if len(best[label.method]) < BEST:
            best[label.method].append(label.text)
    # Of equal scores the first method's counts, in alphabetical order.
    scored = [label for label in own if label.rank == 1 and scorer in label.scores]
    top = max(scored, key=lambda label: label.scores[scorer], default=None)
    layer = LAYER.search(feature.hookpoint)
    feature.layer = int(layer[1]) if layer else 0
    feature.score = None if top is None else top.scores[scorer]
    feature.score_method = "" if top is None else top.method
    feature.agreement = agreement(best.values())
    feature.label_text = " | ".join(dict.fromkeys(fold(label.text) for label in own))


def _labels(features: list[Feature]) -> dict[int, list[LabelCandidate]]:
    found: dict[int, list[LabelCandidate]] = defaultdict(list)
    query = LabelCandidate.objects.filter(feature__in=features, status=LabelCandidate.Status.OK)
    for label in query.order_by("feature_id", "method", "rank"):
        found[label.feature_id].append(label)
    return found


def _words(labels: Iterable[str]) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", fold(" ".join(labels)))) - SMALL_WORDS
