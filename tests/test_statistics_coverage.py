"""The benchmark of coverage: its grid is whole, its truths are true, and it can be continued."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from analysis.estimates.intervals import stream
from benchmarks.statistics_coverage.__main__ import PARTS, main
from benchmarks.statistics_coverage.cells import LEVELS, Cell, choice_grid, fraction, grid
from benchmarks.statistics_coverage.choice_studies import draw_choices
from benchmarks.statistics_coverage.population import population_of
from benchmarks.statistics_coverage.studies import assigned, draw

CELL = Cell(40, 100, 4, 0.3, 0.3, 0.15, "floor", "unequal", within=True)


def test_the_grid_has_every_combination_that_a_study_can_have() -> None:
    every = {Cell(*levels) for levels in product(*LEVELS.values())}  # type: ignore[arg-type]
    left = {(c.participants, c.features, c.ratings) for c in every - set(grid())}
    assert left == {(10, 10, 40), (10, 100, 40), (40, 10, 1)}
    assert len(grid()) == 13 * 2**5 * 3 == len({cell.name for cell in grid()})


@pytest.mark.parametrize("name", LEVELS)
def test_every_level_is_in_the_fraction_about_equally_often(name: str) -> None:
    found = Counter(getattr(cell, name) for cell in fraction())
    expected = len(fraction()) / len(LEVELS[name])
    # Few structures have 40 ratings or only one.
    assert all(found[level] >= expected / 2 for level in LEVELS[name])


@pytest.mark.parametrize(
    ("people", "features", "ratings"), [(10, 100, 4), (40, 10, 10), (40, 10, 40)]
)
def test_nobody_is_assigned_a_feature_twice(people: int, features: int, ratings: int) -> None:
    listener, feature = assigned(people, features, ratings, 0)
    assert len(set(zip(listener.tolist(), feature.tolist(), strict=True))) == features * ratings
    assert set(np.bincount(feature)) == {ratings}
    assert np.ptp(np.bincount(listener, minlength=people)) <= 1


@pytest.mark.parametrize("link", ["probit", "logit"])
def test_simulated_answers_have_the_shares_that_count_as_true(link: str) -> None:
    population, rng = population_of(CELL, link), stream(0, "shares")
    drawn = [draw(population, rng, (0.0, population.shift)) for _ in range(300)]
    for place, mean in ((0, population.mean(0.0)), (1, population.mean(0.0) + 0.5)):
        means = [sides[place].values.mean() for sides in drawn]
        error = np.std(means) / np.sqrt(len(means))
        assert abs(np.mean(means) - mean) < 4 * error


def test_simulated_choices_are_hits_as_often_as_the_cell_says() -> None:
    for choice in choice_grid()[::79]:
        population, rng = population_of(choice.cell), stream(0, choice.name)
        hits = [draw_choices(choice, population, rng)[0].hit.mean() for _ in range(200)]
        assert abs(np.mean(hits) - choice.accuracy) < 4 * np.std(hits) / np.sqrt(len(hits))


def test_a_run_is_continued_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--most", "2", "--studies", "5"]
    parts = ["--part", "ratings", "families", "choices"]
    main([*parts, *asked, "--resume", str(tmp_path / "all.jsonl")])
    whole = (tmp_path / "all.jsonl").read_text(encoding="utf-8")
    assert len(whole.splitlines()) == 2 * 3
    # Its first half, and a line that was being written when it stopped.
    half = tmp_path / "half.jsonl"
    half.write_text("\n".join([*whole.splitlines()[:3], '{"part": "rat']), encoding="utf-8")
    main([*parts, *asked, "--resume", str(half)])
    assert sorted(half.read_text(encoding="utf-8").splitlines()) == sorted(whole.splitlines())
    printed = capsys.readouterr().out
    assert "### ratings: 2 cells, 10 studies, 5 to 5 per cell" in printed
    assert "- share_feature_means_at_least_4: " in printed


def test_the_whole_analysis_is_measured_as_the_report_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "whole.jsonl"
    main(["--part", "whole", "--most", "1", "--studies", "10", "--resume", str(path)])
    line = json.loads(path.read_text(encoding="utf-8"))
    assert line["counts"]["mean_confidence"][0] == 1
    # Given or not: the first cell is the smallest, ten listeners with one rating each.
    told = {*line["counts"], *line["absent"]}
    assert {"clmm_logit_effect", "logistic_first_label_effect", "brier", "icc_1"} <= told
    assert {"false alarms: clmm_logit_wald", "free_text_share", "repeat_same_choice"} <= told
    assert {part.name for part in PARTS} == {
        "ratings",
        "families",
        "strata",
        "choices",
        "scores",
        "pairs",
        "whole",
    }
