"""Pairs, intruder trials and "none of these fits" beside label trials in one table."""

from pathlib import Path

import pytest

from analysis.design.pair_simulation import PairDesign
from analysis.estimates.results import Estimate
from analysis.reading.quality import participations
from analysis.reading.table import read_responses
from analysis.report.analyse import analyse
from analysis.report.settings import Settings
from tests.analysis.factories import Row, full_rows, identification_rows, write_csv
from tests.analysis.pairs.rows import intruder_rows, pair_row, pair_rows, together


def estimates(folder: Path, rows: list[Row]) -> dict[tuple[str, str], Estimate]:
    summary = analyse(write_csv(folder / "r.csv", rows), Settings(resamples=100)).summary
    return {(e.name, e.method): e for e in summary.estimates if e.recommended}


def test_no_number_about_labels_is_over_pairs_or_intruder_trials(tmp_path: Path) -> None:
    labels = full_rows(participants=8, trials=6, ratings_per_feature=4)
    alone = estimates(tmp_path, labels)
    design = PairDesign(listeners=8, features=6, trials=6)
    others = [
        row | {"participation": f"{kind}{row['participation']}"}
        for kind, rows in (
            ("pair", pair_rows(design, method="gemini")),
            ("intruder", intruder_rows(listeners=6, features=6)),
        )
        for row in rows
    ]
    mixed = estimates(tmp_path, together(labels, others))
    assert {key: mixed[key] for key in alone} == alone
    assert mixed["pair_steered_plain", "gemini"].n_ratings == 48
    assert mixed["intruder_accuracy", "intruder trials"].n_ratings == 36


def test_a_repeated_pair_is_consistent_where_the_same_clip_was_chosen(tmp_path: Path) -> None:
    arms = (("steered", "add", 1.0), ("plain", "", 0.0))
    rows = []
    for person, again in (("p0", 0.0), ("p1", 1.0)):
        rows += [pair_row(person, f"f{n}", n, arms, 1.0, "alto") for n in (1, 2)]
        # The same two clips in the other order: its first clip is what was the second.
        repeat = pair_row(person, "f1", 1, arms[::-1], again, "alto")
        rows.append(repeat | {"kind": "repeat", "trial": 9, "repeat_of": 1})
    read = read_responses(write_csv(tmp_path / "r.csv", together(rows)))
    table = participations(read).set_index("participation")
    assert table["inconsistent"].to_dict() == {"p0": False, "p1": True}


def none_fits(row: Row) -> Row:
    return row | {"answer": "none_of_these", "chosen_position": "", "chosen_label": "",
                  "chosen_rank": "", "confidence": 5}  # fmt: skip


def test_none_of_these_is_no_right_answer_and_no_confidence_in_a_label(tmp_path: Path) -> None:
    rows = [row | {"answer": "chosen", "chosen_rank": ""} for row in identification_rows()]
    own = [row for row in rows if row["method"] == "alto"]
    n, hits = len(own), sum(row["chosen_position"] == row["target_position"] for row in own)
    confidence = [int(str(row["confidence"])) for row in own[8:]]
    # The first listener's eight answers become "none of these fits".
    kept = hits - sum(row["chosen_position"] == row["target_position"] for row in own[:8])
    rows = [none_fits(row) if row["participation"] == "alto0" else row for row in rows]
    told = estimates(tmp_path, rows)
    assert told["share_none_of_these", "alto"].value == pytest.approx(8 / n)
    assert told["identification_accuracy", "alto"].value == pytest.approx(kept / n)
    assert told["identification_chance", "alto"].value == pytest.approx(0.2)
    assert told["identification_d_prime", "alto"].value is None
    assert told["mean_confidence", "alto"].value == pytest.approx(sum(confidence) / len(confidence))
    high = sum(c >= 4 for c in confidence)
    assert told["share_label_at_least_4", "alto"].value == pytest.approx(high / n)
    assert told["share_none_of_these", "brio"].value == 0


def test_none_of_these_is_neither_the_first_label_nor_one_from_elsewhere(tmp_path: Path) -> None:
    made_of = full_rows(participants=6, ratings_per_feature=1, catch=False)
    rows = [row | {"answer": "chosen"} for row in made_of]
    n = sum(row["method"] == "gemini" for row in rows)
    made = {id(row) for row in [r for r in rows if r["method"] == "gemini"][:5]}
    first = sum(
        row["method"] == "gemini" and row["chosen_rank"] == 1 and id(row) not in made
        for row in rows
    )
    told = estimates(tmp_path, [none_fits(row) if id(row) in made else row for row in rows])
    share = told["share_first_label", "gemini"]
    assert (share.count, share.of) == (first, n)
    assert "“none of these fits”" in share.label
    assert told["share_label_elsewhere", "gemini"].reason.startswith("no label from another")
