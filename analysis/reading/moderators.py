"""What may moderate ratings: the place of a trial, the headphone check, musical training.

`trial_number` is the responses' own `trial`; `headphones` (true or false) and `musical_training` (a
number) are columns of `participants.csv`, as an export writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.arrays import Floats
from analysis.reading.companions import decimal, read_table

TRIAL, HEADPHONES, TRAINING = "trial_number", "headphones", "training"
MODERATORS = {
    TRIAL: "trial number",
    HEADPHONES: "headphone check passed",
    TRAINING: "musical training",
}
"""Each moderator in words."""
COLUMNS = {HEADPHONES: "headphones", TRAINING: "musical_training"}
FILE = "participants.csv"


def moderator(name: str, ratings: pd.DataFrame, folder: Path) -> tuple[Floats, str]:
    """Values [rating], NaN where one is missing; or the reason, where there is nothing to model."""
    if name == TRIAL:
        values: Floats = np.asarray(ratings["trial"], dtype=np.float64)
    else:
        known = _of_participants(name, folder)
        if isinstance(known, str):
            return np.zeros(0), known
        values = np.asarray(ratings["participation"].map(known), dtype=np.float64)
    there = values[np.isfinite(values)]
    if len(there) == 0:
        return values, f"{MODERATORS[name]}: no rating has a value"
    if np.ptp(there) == 0:
        return values, f"{MODERATORS[name]} is the same for every rating"
    return values, ""


def _of_participants(name: str, folder: Path) -> Mapping[str, float] | str:
    """Each participation's value; or the reason why there is none."""
    rows = read_table(folder, FILE, ("participation",))
    if rows is None:
        return f"there is no {FILE} beside the table"
    column = COLUMNS[name]
    if rows and column not in rows[0]:
        return f"{FILE} has no column {column}"
    given = {r["participation"]: (i, r[column]) for i, r in enumerate(rows, 2) if r.get(column)}
    if name == HEADPHONES:
        return {key: float(text.lower() == "true") for key, (_, text) in given.items()}
    return {key: decimal(FILE, i, column, text) for key, (i, text) in given.items()}
