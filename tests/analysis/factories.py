"""Tables of responses for the tests: the paper's design with a known truth."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

PAPER = {"essentia": (0.05, 0.08, 0.16, 0.28, 0.43), "gemini": (0.17, 0.18, 0.18, 0.23, 0.24)}
"""Shares of the answers 1 to 5, with about the paper's means (3.96, 3.19) and shares ≥ 4."""

Row = dict[str, object]


def paper_rows(
    *,
    seed: int = 0,
    participants: int = 40,
    trials: int = 10,
    participant_sd: float = 0.8,
    shares: dict[str, tuple[float, ...]] | None = None,
) -> list[Row]:
    """One rating per feature: `participants` per method, each with `trials` features of their own.

    A latent normal value (participant plus noise) is cut so that the shares come out as given.
    """
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for method, share in (shares or PAPER).items():
        spread = np.sqrt(1 + participant_sd**2)
        cuts = stats.norm.ppf(np.cumsum(share)[:-1]) * spread
        for person in range(participants):
            own = rng.normal(0, participant_sd)
            for trial in range(1, trials + 1):
                rating = 1 + int(np.searchsorted(cuts, own + rng.normal()))
                rows.append(
                    {
                        "participation": f"{method[:2]}{person:03d}",
                        "method": method,
                        "feature": f"layer3-n1536-k16/{person * trials + trial}",
                        "trial": trial,
                        "confidence": rating,
                    }
                )
    return rows


def full_rows(
    *,
    seed: int = 0,
    participants: int = 40,
    trials: int = 10,
    ratings_per_feature: int = 5,
    participant_sd: float = 0.8,
    feature_sd: float = 0.6,
    catch: bool = True,
) -> list[Row]:
    """The contract's columns for a study of shared features, each rated several times per method.

    A listener who is confident chooses the method's first label more often. Each participation ends
    with a catch trial and a repeat of its first trial.
    """
    rng = np.random.default_rng(seed)
    features = participants * trials // ratings_per_feature
    rows: list[Row] = []
    for method, share in PAPER.items():
        level = rng.normal(0, feature_sd, features)
        spread = np.sqrt(1 + participant_sd**2 + feature_sd**2)
        cuts = stats.norm.ppf(np.cumsum(share)[:-1]) * spread
        order = np.concatenate([rng.permutation(features) for _ in range(ratings_per_feature)])
        for person in range(participants):
            own = rng.normal(0, participant_sd)
            mine = order[person * trials : (person + 1) * trials]
            for trial, feature in enumerate(mine, start=1):
                rating = 1 + int(np.searchsorted(cuts, own + level[feature] + rng.normal()))
                rank = 1 if rng.random() < 0.15 + 0.12 * rating else int(rng.integers(2, 6))
                rows.append(_row(method, person, trial, int(feature), rating, rank, rng))
            if catch:
                rows.append(
                    _row(method, person, trials + 1, 0, 5, int(rng.random() < 0.9) or 2, rng)
                    | {"kind": "catch"}
                )
                first = rows[-1 - trials]
                rows.append(first | {"kind": "repeat", "trial": trials + 2, "repeat_of": 1})
    return rows


def _row(
    method: str,
    person: int,
    trial: int,
    feature: int,
    rating: int,
    rank: int,
    rng: np.random.Generator,
) -> Row:
    labels = {f"option_{i}": f"{method} {feature} label {i}" for i in range(1, 6)}
    return {
        "study": "names",
        "study_version": 1,
        "participation": f"{method[:2]}{person:03d}",
        "method": method,
        "run": "run-1",
        "sae": "layer3-n1536-k16",
        "feature": f"layer3-n1536-k16/{feature}",
        "item": f"{method}-{feature}",
        "trial": trial,
        "kind": "main",
        "repeat_of": "",
        **{f"clip_{i}": f"{feature:04d}{i}" for i in range(1, 4)},
        **labels,
        **{f"option_source_{i}": method for i in range(1, 6)},
        **{f"option_rank_{i}": i for i in range(1, 6)},
        "target_position": "",
        "chosen_position": rank,
        "chosen_label": labels[f"option_{rank}"],
        "chosen_rank": rank,
        "confidence": rating,
        "free_text": "",
        "response_ms": int(rng.integers(20_000, 60_000)),
        **{f"plays_{i}": 1 for i in range(1, 4)},
        **{f"heard_ms_{i}": 10_000 for i in range(1, 4)},
        "hidden_ms": 0,
        "shown_at": "2026-11-20T18:00:00Z",
        "answered_at": "2026-11-20T18:01:00Z",
        "participation_status": "complete",
        "flags": "",
    }


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    """The rows as a CSV file; the columns are the first row's."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def identification_rows(
    *,
    seed: int = 0,
    participants: int = 10,
    trials: int = 8,
    shares: dict[str, float] | None = None,
    options: tuple[int, ...] = (5,),
    confidence: dict[str, float] | None = None,
    shared: bool = False,
) -> list[Row]:
    """Identification trials: `shares` is each method's probability of a right choice.

    Numbers of options take turns. With `shared` 40 features are rated under every method, else each
    trial has a feature of its own. Confidence is about `confidence` (3), and higher when right.
    """
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for method, share in (shares or {"alto": 0.3, "brio": 0.7}).items():
        for person in range(participants):
            for trial in range(1, trials + 1):
                number = person * trials + trial
                size, right = options[number % len(options)], rng.random() < share
                target = int(rng.integers(1, size + 1))
                wrong = [i for i in range(1, size + 1) if i != target]
                chosen = target if right else int(rng.choice(wrong))
                centre = (confidence or {}).get(method, 3.0) + 0.5 * right
                rows.append(
                    {
                        "participation": f"{method}{person}",
                        "method": method,
                        "feature": f"f{number % 40}" if shared else f"{method}/{number}",
                        "trial": trial,
                        "confidence": int(np.clip(round(rng.normal(centre, 0.9)), 1, 5)),
                        **{f"option_{i}": f"l{i}" if i <= size else "" for i in range(1, 6)},
                        "target_position": target,
                        "chosen_position": chosen,
                        "chosen_label": f"l{chosen}",
                    }
                )
    return rows
