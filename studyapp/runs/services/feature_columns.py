"""The columns that the feature browser filters and sorts by, computed once from a run's labels.

`agreement` is the mean over pairs of methods of the Jaccard overlap of the words in their three
best labels: 1 if they use the same words, 0 if they share none. It compares words, not meanings.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

from django.db import connection

from studyapp.core.batches import batched
from studyapp.core.text import fold
from studyapp.models import Feature, LabelCandidate, Run

BATCH = 500
BEST = 3
SCORER = "detection"
"""The scorer whose scores can be compared between features."""
SMALL_WORDS = frozenset({"a", "an", "and", "at", "in", "of", "on", "or", "the", "to", "with"})
LAYER = re.compile(r"layers\.(\d+)")


def fill(run: Run) -> None:
    """Fill the browser's columns of every feature of the run, and the run's facets."""
    saes: dict[str, int] = {}
    methods: set[str] = set()
    scorers: set[str] = set()
    features = run.features.order_by("pk").only("pk", "sae", "hookpoint")
    for batch in batched(features.iterator(chunk_size=BATCH), BATCH):
        labels = _labels(batch)
        for feature in batch:
            _fill_one(feature, labels[feature.pk])
            saes.setdefault(feature.sae, feature.layer)
            methods.update(label.method for label in labels[feature.pk])
            scorers.update(name for label in labels[feature.pk] for name in label.scores)
        Feature.objects.bulk_update(batch, ["layer", "score", "agreement", "label_text"])
    run.facets = {
        "saes": sorted(saes),
        "layers": sorted(set(saes.values())),
        "methods": sorted(methods),
        "scorers": sorted(scorers),
        "features": run.features.count(),
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


def _fill_one(feature: Feature, labels: list[LabelCandidate]) -> None:
    best: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        if len(best[label.method]) < BEST:
            best[label.method].append(label.text)
    scores = [
        label.scores[SCORER] for label in labels if label.rank == 1 and SCORER in label.scores
    ]
    layer = LAYER.search(feature.hookpoint)
    feature.layer = int(layer[1]) if layer else 0
    feature.score = max(scores, default=None)
    feature.agreement = agreement(best.values())
    feature.label_text = " | ".join(dict.fromkeys(fold(label.text) for label in labels))


def _labels(features: list[Feature]) -> dict[int, list[LabelCandidate]]:
    found: dict[int, list[LabelCandidate]] = defaultdict(list)
    query = LabelCandidate.objects.filter(feature__in=features, status=LabelCandidate.Status.OK)
    for label in query.order_by("feature_id", "method", "rank"):
        found[label.feature_id].append(label)
    return found


def _words(labels: Iterable[str]) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", fold(" ".join(labels)))) - SMALL_WORDS
