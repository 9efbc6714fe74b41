"""Whose answers a table holds: people's or simulated listeners', of one study or of several.

Simulated listeners' answers are left out unless there are no others. That several studies or
versions were pooled changes nothing here, but is said above every figure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.reading.companions import read_table
from analysis.reading.table import Responses, restricted

ALL_SIMULATED = (
    "All of these answers are by simulated listeners, not people. Nothing here says what people "
    "hear."
)


def people_only(read: Responses, folder: Path, study: Mapping[str, Any] | None) -> Responses:
    """The table without simulated listeners' rows, unless all are, and with its warnings.

    Whose a row is stands in its column `simulated`, else in `participants.csv`; without either,
    `study.json` can only warn.
    """
    simulated = _simulated(read, folder)
    if simulated is None:
        said = _by_study(study)
    elif not simulated.any():
        said = []
    elif simulated.all():
        said = [ALL_SIMULATED]
    else:
        said = [_left_out(read.rows[simulated])]
        read = restricted(read, ~simulated, said[0])
    return dataclasses.replace(read, warnings=(*said, *_pooled(read.rows)))


def _simulated(read: Responses, folder: Path) -> pd.Series[bool] | None:
    """Whether each row is a simulated listener's; None if nothing says so of every single one."""
    if read.has("simulated"):
        return read.rows["simulated"].str.lower() == "true"
    table = read_table(folder, "participants.csv", ("participation",))
    if not table or "simulated" not in table[0]:
        return None
    names = {row["participation"] for row in table if row["simulated"].lower() == "true"}
    return read.rows["participation"].isin(names)


def _left_out(rows: pd.DataFrame) -> str:
    return (
        f"{len(rows)} responses of {rows['participation'].nunique()} simulated participations "
        "were left out: only people’s answers are counted."
    )


def _by_study(study: Mapping[str, Any] | None) -> list[str]:
    """What `study.json` alone can say: how many, not who."""
    n = (study or {}).get("simulated_participations")
    if not isinstance(n, int) or n < 1:
        return []
    if n == _participations(study or {}):
        return [ALL_SIMULATED]
    return [
        f"{n} of the participations are simulated listeners, not people (study.json), and their "
        "answers are in every figure: nothing beside the table says which they are. Put the "
        "export’s participants.csv beside it."
    ]


def _participations(study: Mapping[str, Any]) -> int | None:
    counts = study.get("participations")
    if not isinstance(counts, Mapping):
        return None
    kinds = [one for one in counts.values() if isinstance(one, Mapping)]
    return sum(n for one in kinds for n in one.values() if isinstance(n, int))


def _pooled(rows: pd.DataFrame) -> Iterator[str]:
    """Which studies and versions stand in one table, if more than one does."""
    if "study" in rows.columns and rows["study"].nunique() > 1:
        names = ", ".join(sorted(map(str, rows["study"].unique())))
        yield (
            f"This table pools {rows['study'].nunique()} studies ({names}). Every figure is over "
            "all of them, as if they were one: read them apart if their designs differ."
        )
    if "study_version" not in rows.columns:
        return
    named = rows["study"] if "study" in rows.columns else pd.Series("", index=rows.index)
    for study, own in rows.groupby(named.rename("pooled"))["study_version"]:
        versions = sorted(map(str, own.unique()))
        if len(versions) > 1:
            of = f" of {study}" if study else ""
            yield (
                f"This table pools versions {' and '.join(versions)}{of}. Every figure is over "
                "all of them, as if they were one: a version is another design or other texts."
            )
