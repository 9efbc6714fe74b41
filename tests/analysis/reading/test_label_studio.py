"""What is a cell of Label Studio's nested JSON; `test_mapping.py` reads whole tables of it."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.reading.mapping.label_studio import rows_of


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        ("rating", {"rating": 4}, 4),
        ("choices", {"choices": ["piano"]}, ["piano"]),
        ("textarea", {"text": ["mine"]}, ["mine"]),
        ("pairwise", {"selected": "left"}, "left"),
    ],
)
def test_every_control_s_answer_is_read(kind: str, value: dict[str, Any], cell: object) -> None:
    result = {"type": kind, "from_name": "asked", "value": value}
    task = {"id": 1, "data": {}, "annotations": [{"id": 2, "result": [result]}]}
    [row] = rows_of("table.json", [task])
    assert row["asked"] == cell
