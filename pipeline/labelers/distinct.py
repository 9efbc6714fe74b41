"""Merges synonymous labels: texts that mean the same get one name, shared by all methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.context import SaeContext
from pipeline.labelers.synonyms import EmbeddedNaming, Naming, centred
from pipeline.labelers.vocabulary import PHRASES
from pipeline.store.tables import LabelCandidate


def names_of(context: SaeContext, rows: Sequence[LabelCandidate]) -> Mapping[str, str]:
    """The name of each text; near-synonyms share one, across all methods of the run so far.

    A text that was seen before keeps its name, whatever is added later.
    """
    labels, memo = context.config.labels, context.tables.memo
    known: dict[str, str] = memo.setdefault("names", {})
    new = sorted({row.text for row in rows if row.text} - set(known))
    if not new:
        return known
    if labels.synonyms == "clap":
        from pipeline.clap.store import text_embeddings

        apart = centred(text_embeddings(context, new), text_embeddings(context, sorted(PHRASES)))
        embedded: EmbeddedNaming = memo.setdefault("naming", EmbeddedNaming(labels.synonym_cosine))
        known |= embedded.names(new, apart)
    else:
        naming: Naming = memo.setdefault("naming", Naming())
        known |= naming.names(new)
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
