"""Does a label name the concept that drives the feature? Graded by the corpus's own words.

A kept feature is *driven* by the concept that it detects best on train tracks, if its AUROC is at
least `FOUND` there and on test tracks. A label names a concept if the concept's name or one of its
synonyms occurs in it as whole words and is not denied: "no deep bass" does not name deep bass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.corpus.planted import Planted
from pipeline.recovery.detection import Candidates, aurocs_on_test, aurocs_on_train, latents
from pipeline.recovery.mentions import says
from pipeline.store.run_directory import RunDirectory

CANDIDATES = 5
"""Number of a method's labels that a listener may be shown for a feature."""


@dataclass(frozen=True)
class Division:
    """Which concepts drive which kept features."""

    threshold: float
    driven: dict[str, str]
    """The concept that drives each driven feature."""
    splits: dict[str, int]
    """The number of features that each concept drives; only concepts that drive any."""
    merging: int
    """Number of driven features that also detect a second concept, on train and on test."""


@dataclass(frozen=True)
class Naming:
    """One method's labels against the concepts that drive the features."""

    method: str
    n_features: int
    """Number of driven features."""
    first: int
    """Of those, the number whose first label names the concept."""
    any_of_five: int
    """Of those, the number with such a label among the first five."""


def divide(directory: RunDirectory, concepts: Sequence[Planted], *, threshold: float) -> Division:
    """Which concept drives which kept feature; see the module's docstring. Arrays are [concept,
    candidate]."""
    gradable = [concept for concept in concepts if concept.gradable()]
    # 1) Which feature detects which concept on both splits; 2) of several the best on train tracks.
    candidates = latents(directory, kept=True)
    detected = _detects(candidates, gradable, threshold)
    train = np.where(detected, aurocs_on_train(candidates, gradable), -1.0)
    driven = {
        name: gradable[int(train[:, column].argmax())].name
        for column, name in enumerate(candidates.names)
        if detected[:, column].any()
    }
    names = list(driven.values())
    splits = {c.name: names.count(c.name) for c in gradable if c.name in names}
    return Division(threshold, driven, splits, int((detected.sum(axis=0) > 1).sum()))


def _detects(candidates: Candidates, concepts: Sequence[Planted], threshold: float) -> np.ndarray:
    """Whether a candidate detects a concept on both splits, [concept, candidate] bool."""
    on_train = aurocs_on_train(candidates, concepts) >= threshold
    detected: np.ndarray = on_train & (aurocs_on_test(candidates, concepts) >= threshold)
    return detected


def grade_names(
    directory: RunDirectory, concepts: Sequence[Planted], division: Division
) -> list[Naming]:
    """The grade of each labeling method of the run; empty if its stage `labels` is not done."""
    if not directory.is_done("labels"):
        return []
    listed = directory.read_json("concepts.json")["concepts"]
    words = {entry["name"]: [entry["name"], *entry.get("synonyms", [])] for entry in listed}
    methods = directory.read_json("run.json")["config"]["labels"]["methods"]
    return [_grade(directory, method, division, words) for method in methods]


def names_concept(text: str, words: Sequence[str]) -> bool:
    """Whether `text` says that a concept is present, by any of its names `words` (each may have
    several words)."""
    return any(says(text, word) for word in words)


def _grade(
    directory: RunDirectory, method: str, division: Division, words: dict[str, list[str]]
) -> Naming:
    """One method's labels against the concepts; `words`: each concept's name and synonyms."""
    labels: dict[str, list[tuple[int, str]]] = {}
    for sae in directory.sae_names():
        for row in directory.read_table(f"labels/{sae}/{method}.parquet").to_pylist():
            if row["status"] == "ok" and row["feature"] in division.driven:
                labels.setdefault(row["feature"], []).append((row["rank"], row["text"]))
    first = within = 0
    for feature, concept in division.driven.items():
        ordered = [text for _, text in sorted(labels.get(feature, []))][:CANDIDATES]
        right = [names_concept(text, words[concept]) for text in ordered]
        first += any(right[:1])
        within += any(right)
    return Naming(method, len(division.driven), first, within)
