"""Power of studies of pairs."""

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.__main__ import main
from analysis.design import PairDesign, pair_power, simulate_pairs
from analysis.errors import AnalysisError


def test_a_simulated_study_has_the_share_and_the_ties_of_its_design() -> None:
    design = PairDesign(
        listeners=3000, features=1500, trials=30, share=0.7, ties=0.2, doses=(0.5, 2)
    )
    study = simulate_pairs(design, np.random.default_rng(1))
    made = study.answer != 0.5
    assert study.hit[made].mean() == pytest.approx(0.7, abs=0.012)
    assert (~made).mean() == pytest.approx(design.answers_at(design.slope)[1], abs=0.01)
    assert np.mean(study.dose > 0) == pytest.approx(0.5, abs=1e-4)
    assert set(np.abs(study.dose)) == {0.5, 2.0}


def test_power_is_the_level_without_an_effect_and_grows_with_it() -> None:
    small = {"listeners": 20, "features": 15, "trials": 15}
    none, some = (
        pair_power(PairDesign(share=share, **small), simulations=200)  # type: ignore[arg-type]
        for share in (0.5, 0.7)
    )
    assert none.power < 0.1
    assert some.power > 0.9
    assert 0.05 < none.width < 0.3


def test_the_command_prints_power_and_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "power.json"
    words = ["design", "pairs", "--share", "0.75", "--simulations", "40", "--json", str(out)]
    assert main(words) == 0
    assert "steered clip chosen in 75% of choices" in capsys.readouterr().out
    assert json.loads(out.read_text())["stated"]["power"] > 0.9


def test_an_impossible_design_is_refused() -> None:
    with pytest.raises(AnalysisError, match="share is 1; it must be from"):
        PairDesign(share=1.0)
