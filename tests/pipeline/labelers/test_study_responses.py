"""Which answers of an earlier study methods use."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pipeline.labelers.study_responses import answers
from tests.pipeline.labelers.factory import write_responses


@pytest.mark.parametrize(("yes", "no"), [("true", "false"), ("True", "False"), ("1", "0")])
def test_simulated_listeners_count_only_where_nobody_else_answered(
    tmp_path: Path, yes: str, no: str
) -> None:
    made = write_responses(tmp_path / "responses.csv")
    whole = answers(made)
    with made.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))

    def marked(first: int) -> Path:
        path = tmp_path / f"marked-{first}.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, [*rows[0], "simulated"])
            writer.writeheader()
            for number, row in enumerate(rows):
                writer.writerow(row | {"simulated": yes if number < first else no})
        return path

    assert answers(marked(0)) == whole
    assert answers(marked(5)) == whole[5:]
    assert answers(marked(len(rows))) == whole
