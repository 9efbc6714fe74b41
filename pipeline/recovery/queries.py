"""Does a search for a planted concept find the feature that detects it best?

The feature is the best kept one of `recovery.detection`, chosen on train tracks; a concept counts
if that detects it on test tracks at an AUROC of `FOUND`. Its place is that in the order of
`scorers.meaning`, which knows nothing of the detection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.clap.base import Clap
from pipeline.corpus.planted import planted_concepts
from pipeline.recovery.detection import best_candidates, latents
from pipeline.recovery.table import FOUND
from pipeline.scorers.meaning import WAYS, Meanings, embedded, found
from pipeline.store.run_directory import RunDirectory

FIRST = 10
"""A feature counts as found if it is among this many."""


@dataclass(frozen=True)
class Query:
    """One concept that a kept feature detects, and where a search for its name puts it."""

    concept: str
    feature: str
    auroc: float
    """On test tracks."""
    places: dict[str, int]
    """By label and by sound, from 1."""


def queries(directory: RunDirectory, all_: Meanings, model: Clap) -> list[Query]:
    """Search for every planted concept that a kept feature detects.

    Raises `PipelineError` if the corpus has no planted concepts.
    """
    best = best_candidates(latents(directory, kept=True), planted_concepts(directory))
    made = []
    for concept, one in best.items():
        if one.auroc >= FOUND:
            vector = embedded(concept, model)
            whole = {way: found(all_, vector, by=way, most=len(all_.features)) for way in WAYS}
            places = {
                way: [row.feature for row in rows].index(one.feature) + 1
                for way, rows in whole.items()
            }
            made.append(Query(concept, one.feature, one.auroc, places))
    return made


def lines(made: Sequence[Query], all_: Meanings) -> Iterator[str]:
    """A table of the queries, and how many found their feature among the first `FIRST`."""
    features = len(all_.features)
    yield f"{'concept':<20} {'best kept feature':<24} AUROC   place of {features:,}"
    yield f"{'':<20} {'':<24} {'':<5}   by label by sound"
    for one in made:
        places = f"{one.places['label']:>8,} {one.places['sound']:>8,}"
        yield f"{one.concept:<20} {one.feature:<24} {one.auroc:.3f}   {places}"
    for way in WAYS:
        near = sum(one.places[way] <= FIRST for one in made)
        share = f" ({near / len(made):.0%})" if made else ""
        yield f"by {way}: {near} of {len(made)}{share} among the first {FIRST}"
