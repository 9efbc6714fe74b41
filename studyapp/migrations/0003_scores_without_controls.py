"""A feature's score, agreement and searched text no longer count controls, and name the method.

What runs indexed before had is computed again here, as `runs.services.feature_columns` computes it;
a migration may not import that, since it describes the present tables.
"""

import re
from collections import defaultdict
from itertools import combinations

from django.db import migrations, models

BATCH = 500
SCORERS = ("detection", "intruder", "localisation", "fuzzing", "clap")
SMALL_WORDS = {"a", "an", "and", "at", "in", "of", "on", "or", "the", "to", "with"}
COLUMNS = ["score", "score_method", "agreement", "label_text"]


def compute_again(apps, schema_editor):
    all_labels = apps.get_model("studyapp", "LabelCandidate").objects.filter(status="ok").order_by()
    for run in apps.get_model("studyapp", "Run").objects.exclude(facets={}):
        labels = all_labels.filter(feature__run=run)
        scorers = set()
        for scores in labels.values_list("scores", flat=True).iterator(chunk_size=5000):
            scorers.update(scores)
        scorer = next((name for name in SCORERS if name in scorers), "")
        counts = {"scored": 0, "compared": 0}
        keys = list(run.features.order_by("pk").values_list("pk", flat=True))
        for start in range(0, len(keys), BATCH):
            features = list(run.features.filter(pk__in=keys[start : start + BATCH]))
            own = defaultdict(list)
            found = labels.filter(feature__in=features)
            for label in found.order_by("feature_id", "method", "rank"):
                if label.method.partition("@")[0] != "random-label":
                    own[label.feature_id].append(label)
            for feature in features:
                fill_one(feature, own[feature.pk], scorer)
                counts["scored"] += feature.score is not None
                counts["compared"] += feature.agreement is not None
            apps.get_model("studyapp", "Feature").objects.bulk_update(features, COLUMNS)
        run.facets = run.facets | {"scorer": scorer, **counts}
        run.save(update_fields=["facets"])


def fill_one(feature, labels, scorer):
    best = defaultdict(list)
    for label in labels:
        best[label.method].append(label.text)
    words = [found for texts in best.values() if (found := words_of(texts[:3]))]
    overlaps = [len(a & b) / len(a | b) for a, b in combinations(words, 2)]
    scored = [label for label in labels if label.rank == 1 and scorer in label.scores]
    top = max(scored, key=lambda label: label.scores[scorer], default=None)
    feature.score = None if top is None else top.scores[scorer]
    feature.score_method = "" if top is None else top.method
    feature.agreement = round(sum(overlaps) / len(overlaps), 4) if overlaps else None
    feature.label_text = " | ".join(dict.fromkeys(fold(label.text) for label in labels))


def words_of(texts):
    return set(re.findall(r"\w+", fold(" ".join(texts)))) - SMALL_WORDS


def fold(text):
    return " ".join(text.split()).casefold()


class Migration(migrations.Migration):
    dependencies = [
        ("studyapp", "0002_players_without_waveform"),
    ]

    operations = [
        migrations.AddField(
            model_name="feature",
            name="score_method",
            field=models.CharField(blank=True, max_length=60),
        ),
        migrations.RunPython(compute_again, migrations.RunPython.noop),
    ]
