"""Tables of pairs and intruder trials for the tests, as an export writes them."""

from __future__ import annotations

import numpy as np

from analysis.design.pair_simulation import PairDesign, simulate_pairs
from tests.analysis.factories import Row

ANSWERS = {1.0: ("chosen", 1), 0.0: ("chosen", 2), 0.5: ("no_difference", "")}
RANDOM = 0.15
"""Slope of a random direction on the logit."""


def pair_rows(design: PairDesign, *, seed: int = 0, method: str = "alto") -> list[Row]:
    """Steered against unsteered clips, of a known slope."""
    rng = np.random.default_rng(seed)
    study = simulate_pairs(design, rng)
    rows: list[Row] = []
    for n in range(len(study.dose)):
        alpha, first = abs(float(study.dose[n])), study.dose[n] > 0
        arms = (("steered", "add", alpha), ("plain", "", 0.0))
        rows.append(
            pair_row(
                f"p{study.listener[n]}",
                f"sae/{study.feature[n]}",
                n % design.trials + 1,
                arms if first else arms[::-1],
                float(study.answer[n]),
                method,
            )
        )
    return rows


def random_rows(design: PairDesign, *, seed: int = 1, method: str = "alto") -> list[Row]:
    """The same clips against ones steered in a random direction, of which little is heard."""
    rng = np.random.default_rng(seed)
    rows = pair_rows(design, seed=seed, method=method)
    for row in rows:
        one = 1 if row["clip_role_1"] == "plain" else 2
        alpha = row["strength"]
        row["trial"] = int(str(row["trial"])) + 1000
        row[f"clip_{one}"] = f"random-{row['feature']}-{alpha}"
        row[f"clip_role_{one}"], row[f"clip_intervention_{one}"] = "random", "add"
        row[f"clip_strength_{one}"] = alpha
        if row["answer"] == "chosen" and rng.random() < RANDOM / 2:
            row["chosen_position"] = one
    return rows


def pair_row(
    person: str,
    feature: str,
    trial: int,
    arms: tuple[tuple[str, str, float], tuple[str, str, float]],
    answer: float,
    method: str,
) -> Row:
    """One pair trial; an arm is its role, intervention and α."""
    said, position = ANSWERS[answer]
    clips: Row = {}
    for i, (role, intervention, alpha) in enumerate(arms, start=1):
        clips[f"clip_{i}"] = f"{role}-{feature}-{alpha:g}-{trial}"
        clips[f"clip_role_{i}"] = role
        clips[f"clip_strength_{i}"] = f"{alpha:g}"
        clips[f"clip_intervention_{i}"] = intervention
    return {
        "participation": person,
        "method": method,
        "feature": feature,
        "trial": trial,
        "kind": "main",
        "trial_type": "pair",
        **clips,
        "clip_3": "",
        "clip_role_3": "",
        "clip_strength_3": "",
        "clip_intervention_3": "",
        "steering_seed": "7",
        "strength": f"{max(arms[0][2], arms[1][2]):g}",
        "prompt": f"label of {feature}",
        "chosen_position": position,
        "answer": said,
        "confidence": 3,
        "participation_status": "complete",
    }


def intruder_rows(
    *, seed: int = 0, listeners: int = 20, features: int = 12, share: float = 0.6
) -> list[Row]:
    """Intruder trials without a method; the intruder is found in `share` of them."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for person in range(listeners):
        for feature in range(features):
            target = int(rng.integers(1, 6))
            wrong = [i for i in range(1, 6) if i != target]
            chosen = target if rng.random() < share else int(rng.choice(wrong))
            roles = {f"clip_role_{i}": "exemplar" for i in range(1, 6)}
            rows.append(
                {
                    "participation": f"p{person}",
                    "method": "",
                    "feature": f"sae/{feature}",
                    "trial": feature + 1,
                    "kind": "main",
                    "trial_type": "intruder",
                    **{f"clip_{i}": f"{feature}-{i}" for i in range(1, 6)},
                    **roles,
                    f"clip_role_{target}": "intruder",
                    "target_position": target,
                    "chosen_position": chosen,
                    "answer": "chosen",
                    "confidence": int(rng.integers(1, 6)),
                    "participation_status": "complete",
                }
            )
    return rows


def together(*parts: list[Row]) -> list[Row]:
    """Rows of several kinds with the columns of all, empty where a kind has none."""
    columns = dict.fromkeys(column for part in parts for row in part for column in row)
    return [dict.fromkeys(columns, "") | row for part in parts for row in part]
