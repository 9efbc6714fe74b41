"""Merges synonymous labels: texts that mean the same get one name, shared by all methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.context import SaeContext
from pipeline.labelers.synonyms import centred, embedded_groups, word_groups
from pipeline.labelers.vocabulary import PHRASES
from pipeline.store.tables import LabelCandidate


def names_of(context: SaeContext, rows: Sequence[LabelCandidate]) -> Mapping[str, str]:
    """The name of each text; near-synonyms share one, across all methods of the run so far.

    A text that was seen before keeps its name, whatever is added later.
    """
    labels = context.config.labels
    known: dict[str, str] = context.tables.memo.setdefault("names", {})
    new = sorted({row.text for row in rows if row.text} - set(known))
    texts = [*known, *new]
    if new and labels.synonyms == "clap":
        from pipeline.clap.store import text_embeddings

        apart = centred(text_embeddings(context, texts), text_embeddings(context, sorted(PHRASES)))
        found = embedded_groups(texts, apart, labels.synonym_cosine)
    else:
        found = word_groups(texts)
    for text in new:
        known[text] = found[text]
    return known


def distinct(rows: Sequence[LabelCandidate], names: Mapping[str, str]) -> list[LabelCandidate]:
    """The rows with texts of the same feature and name merged into the first, and new ranks."""
    kept: dict[tuple[str, str], LabelCandidate] = {}
    ranks: Counter[str] = Counter()
    for row in rows:
        name = names.get(row.text, "")
        key = (row.feature, name)
        if key in kept:
            kept[key] = replace(kept[key], merged=(*kept[key].merged, row.text))
            continue
        ranks[row.feature] += 1
        kept[key] = replace(row, rank=ranks[row.feature], name=name)
    return list(kept.values())
