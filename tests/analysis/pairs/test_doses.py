"""The dose–response: the mixed logistic model with random slopes, against R's and known slopes."""

from pathlib import Path

import numpy as np
import pytest

from analysis.design.pair_simulation import PairDesign
from analysis.models.clmm import fit
from analysis.models.data import Data, NotFitted
from analysis.models.laplace import Laplace
from analysis.pairs.doses import DoseModel, describe_doses, doses_of, fit_doses
from analysis.pairs.rscript import dose_files
from analysis.pairs.trials import Pairs, pairs_of
from analysis.reading.table import read_responses
from tests.analysis.factories import Row, write_csv
from tests.analysis.pairs.rows import pair_row, pair_rows

# lme4's own data `cbpp` (Lesnoff et al. 2004): cases of a disease in herds over four periods.
HERD = [4, 3, 4, 4, 4, 4, 4, 1, 4, 4, 4, 4, 4, 4, 4]
CASES = """2,3,4,0,3,1,1,8,2,0,2,2,0,2,0,5,0,0,1,3,0,0,1,8,1,3,0,12,2,0,0,0,1,1,0,2,0,5,3,1,2,1,
0,0,1,2,0,0,11,0,0,0,1,1,1,0"""
SIZE = """14,12,9,5,22,18,21,22,16,16,20,10,10,9,6,18,25,24,4,17,17,18,20,16,10,9,5,34,9,6,8,6,22,
22,18,22,25,27,22,22,10,8,6,5,21,24,19,23,19,2,3,2,19,15,15,15"""


def cbpp(*, intercept: bool) -> Data:
    """Each animal's infection by period, with random slopes of herds and their intercepts."""
    cases, size = (np.array([int(n) for n in text.split(",")]) for text in (CASES, SIZE))
    herd = np.repeat(np.arange(15), HERD)
    period = np.concatenate([np.arange(n) for n in HERD]).astype(np.float64)
    y = np.concatenate([np.repeat([1, 0], [c, n - c]) for c, n in zip(cases, size, strict=True)])
    herd, x = np.repeat(herd, size), np.repeat(period, size)
    factors, slopes = ((herd, herd), (None, x)) if intercept else ((herd,), (x,))
    return Data(y.astype(np.int64), x[:, None], factors, slopes=slopes)


@pytest.mark.parametrize(
    ("intercept", "beta", "errors", "sigma", "log_likelihood"),
    [
        (True, (-1.48452821, -0.59785109), (0.2326296, 0.1544515), (0.6666964, 0.2048115),
         -278.57751694),
        (False, (-1.356841991, -0.730754979), (0.1394338, 0.1629661), (0.307180521,),
         -285.43077245),
    ],
)  # fmt: skip
def test_random_slopes_are_those_of_glmer_on_its_own_data(
    intercept: bool,
    beta: tuple[float, float],
    errors: tuple[float, float],
    sigma: tuple[float, ...],
    log_likelihood: float,
) -> None:
    found = fit(cbpp(intercept=intercept))
    assert (-found.theta[0], found.beta[0]) == pytest.approx(beta, abs=1e-4)
    assert np.sqrt(np.diag(found.covariance))[:2] == pytest.approx(errors, abs=1e-3)
    assert found.sigma == pytest.approx(sigma, abs=1e-3)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=1e-5)


def test_the_gradient_with_slopes_is_that_of_the_likelihood() -> None:
    rng = np.random.default_rng(0)
    listener, feature = rng.integers(0, 7, 90), rng.integers(0, 5, 90)
    x = rng.choice([-2.0, -1.0, 1.0, 2.0], 90)
    y = (rng.random(90) < 0.6).astype(np.int64)
    factors, slopes = (listener, listener, feature), (None, x, x)
    laplace = Laplace(Data(y, x[:, None], factors, slopes=slopes), "logit")
    at = np.array([0.2, 0.5, 0.4, 0.6, 0.3])
    step = 1e-5 * np.eye(5)
    numeric = [(laplace.objective(at + e)[0] - laplace.objective(at - e)[0]) / 2e-5 for e in step]
    assert laplace.gradient(at) == pytest.approx(numeric, abs=1e-5)


def read(folder: Path, rows: list[Row]) -> Pairs:
    return pairs_of(read_responses(write_csv(folder / "responses.csv", rows)))


def test_the_interval_holds_a_known_slope_in_at_least_17_of_20_studies(tmp_path: Path) -> None:
    design = PairDesign(listeners=20, features=15, trials=15, share=0.7, doses=(0.5, 1, 2))
    held = 0
    for seed in range(20):
        pairs = read(tmp_path, pair_rows(design, seed=seed))
        slope = next(e for e in describe_doses(pairs, "alto")[0] if e.name == "pair_slope_add")
        assert slope.low is not None
        assert slope.high is not None
        held += slope.low <= design.slope <= slope.high
    assert held >= 17


def test_ties_random_directions_and_other_interventions_are_left_out(tmp_path: Path) -> None:
    rows = pair_rows(PairDesign(listeners=6, features=5, trials=6, ties=0.3), seed=2)
    ties = sum(row["answer"] == "no_difference" for row in rows)
    for trial, role in enumerate(("random", "steered"), start=50):
        arms = ((role, "clamp" if role == "steered" else "add", 1.0), ("steered", "add", 1.0))
        rows.append(pair_row("p0", "sae/0", trial, arms, 1.0, "alto"))
    pairs = read(tmp_path, rows)
    named = {doses.intervention: len(doses.first) for doses in doses_of(pairs)}
    assert ties > 0
    assert named == {"add": len(rows) - 2 - ties}


def test_what_cannot_be_fitted_says_why(tmp_path: Path) -> None:
    arms = (("steered", "add", 1.0), ("plain", "", 0.0))
    rows = [pair_row(f"p{n}", f"f{n}", 1, arms, 1.0, "alto") for n in range(4)]
    (doses,) = doses_of(read(tmp_path, rows))
    with pytest.raises(NotFitted, match="no listener and no feature has two trials"):
        fit_doses(doses)
    (slope,), models = describe_doses(read(tmp_path, rows), "alto")
    assert (slope.value, models) == (None, [])
    rows = [pair_row(f"p{n % 4}", f"f{n % 3}", n, arms, 1.0, "alto") for n in range(1, 13)]
    rows += [pair_row("p0", "f0", n, arms[::-1], 0.0, "alto") for n in (13, 14)]
    (slope,), models = describe_doses(read(tmp_path, rows), "alto")
    assert (slope.value, models, "methods" in slope.reason) == (None, [], False)
    assert slope.reason.startswith("separation")


def test_the_curve_is_a_half_without_a_dose_and_the_script_has_every_number(
    tmp_path: Path,
) -> None:
    design = PairDesign(listeners=20, features=10, share=0.75, doses=(0.5, 1, 2))
    pairs = read(tmp_path, pair_rows(design))
    _, (model,) = describe_doses(pairs, "alto")
    assert isinstance(model, DoseModel)
    assert model.share(0) == pytest.approx(0.5)
    assert np.all(np.diff([model.share(a) for a in (0, 0.5, 1, 2)]) > 0)
    files = dose_files({"alto": [model]})
    told = files["tables/dose_models.csv"]
    assert all(name in told for name in ("slope", "slope_se", "log_likelihood", *model.random))
    assert files["tables/dose_trials.csv"].count("\n") == 1 + len(model.doses.first)


def test_the_curve_counts_the_bias_towards_the_first_clip(tmp_path: Path) -> None:
    design = PairDesign(listeners=40, features=10, share=0.75, bias_sd=2.5, listener_sd=0.2)
    pairs = read(tmp_path, pair_rows(design, seed=4))
    _, (model,) = describe_doses(pairs, "alto")
    # Without the bias it would be 0.09 larger.
    assert model.share(1) == pytest.approx(float(np.mean(pairs.hit)), abs=0.03)
