"""What a run's page says that the run found, recomputed from the run's files with pandas."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.test import Client
from django.urls import reverse

from studyapp.jobs.tasks import work
from studyapp.models import Job, Run, StageFindings
from studyapp.runs.services import folders, imports
from studyapp.runs.services.results import findings
from studyapp.runs.views.run_charts import BINS, kept_chart
from tests.studyapp import factories, run_directories, run_findings
from tests.studyapp.run_findings import DENSITIES, FILTER, LATENTS, METHODS, SAES, SCORERS, TRACKS

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run_findings.make(tmp_path / "one")
    return imports.import_run(directory=tmp_path / "one", name="one")


def _page(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return str(response.content.decode())


def _charts(page: str) -> dict[str, str]:
    """Title → the chart's HTML."""
    found = re.findall(r'<figure class="chart">.*?</figure>', page, re.DOTALL)
    return {re.search("<h3>(.*?)</h3>", one)[1]: one for one in found}  # type: ignore[index]


def _rows(html: str) -> list[list[str]]:
    """The cells of every row of a table's body."""
    body = html[html.rindex("<tbody>") :]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [
        [
            unescape(re.sub(r"<[^>]*>", "", cell)).strip()
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def _table(run: Run, name: str) -> pd.DataFrame:
    return pd.read_parquet(folders.directory_of(run=run) / name)


def _best_labels(run: Run, scorer: str) -> pd.DataFrame:
    """Scores of labels of rank 1, NaN where there is none."""
    parts = [_table(run, f"scores/{sae}/{scorer}.parquet").assign(sae=sae) for sae in SAES]
    rows = pd.concat(parts).query("rank == 1")
    return rows.assign(score=rows.score.where(rows.status == "ok"))


def test_the_table_of_saes_is_what_the_files_say(researcher: Client, run: Run) -> None:
    page = _page(researcher, reverse("run", args=[run.pk]))
    table = page[page.index('<table class="table saes">') : page.index("Variance explained, L0")]
    manifest = json.loads((folders.directory_of(run=run) / "manifest.json").read_text())
    held_out = manifest["stages"]["sae"]["summary"]["validation"]
    scores = _best_labels(run, "detection")
    for (sae, hookpoint), row in zip(SAES.items(), _rows(table), strict=True):
        latents = _table(run, f"features/{sae}.parquet")
        medians = scores[scores.sae == sae].groupby("method").score.median()
        assert row[0] == sae + hookpoint
        assert row[1] == f"{(1 - held_out[sae]['fvu']) * 100:.1f} %"
        assert row[2] == "4.0"
        assert row[3] == f"{held_out[sae]['dead_share'] * 100:.1f} %"
        assert row[4] == ("12.5 %" if "dense_share" in held_out[sae] else "–")
        assert row[5] == f"{latents.kept.sum()} of {LATENTS}"
        counts = latents[~latents.kept].reason.value_counts()
        assert {part.strip() for part in row[6].split(",")} == {
            f"{count} × {reason}" for reason, count in counts.items()
        }
        assert row[7:] == [f"{medians[method]:.3f}" for method in METHODS]
    assert f"validation tracks ({TRACKS} here) in which its activation exceeds τ = 3.0" in page


def test_training_and_kept_features_are_drawn_from_the_files(researcher: Client, run: Run) -> None:
    charts = _charts(_page(researcher, reverse("run", args=[run.pk])))
    every = 3  # 300 records, at most 120 points
    ends = {}
    for sae in SAES:
        curve = _table(run, f"sae/{sae}/training.parquet")
        means = curve.groupby(np.arange(len(curve)) // every).agg(
            {"step": "last", "batch_variance_explained": "mean"}
        )
        stored = run.findings.get(stage="sae").data["saes"][sae]["curve"]
        assert stored["every"] == every
        np.testing.assert_allclose(stored["points"], means.to_numpy(), rtol=1e-12)
        ends[sae] = means.batch_variance_explained.iloc[-1] * 100
    assert _rows(charts["Training"])[-1] == ["3,000", *(f"{end:.1f} %" for end in ends.values())]
    assert charts["Training"].count('<path class="series-') == 2 * len(SAES)  # with the legend
    kept = {sae: int(_table(run, f"features/{sae}.parquet").kept.sum()) for sae in SAES}
    shares = [[sae, str(count), f"{count / LATENTS * 100:.1f} %"] for sae, count in kept.items()]
    assert _rows(charts["Kept features"]) == shares
    first, second = kept.values()
    widths = [
        float(one) for one in re.findall(r'<rect.*? width="([\d.]+)"', charts["Kept features"])
    ]
    assert widths[0] / widths[1] == pytest.approx(first / second, abs=0.01)


def test_saes_measured_after_the_run_show_what_the_subject_loses(
    researcher: Client, run: Run
) -> None:
    address = reverse("run", args=[run.pk])
    page = _page(researcher, address)
    counted = [["none", str(LATENTS - sum(DENSITIES))], *_binned(DENSITIES)]
    assert _rows(_charts(page)["How often latents fire"]) == counted
    assert "Loss recovered" not in page
    # Twice: the second time replaces what the first has measured.
    for recovered, densities in ((0.5, (1, 0, 0, 0, 0, 0)), (0.913, (0, 0, 0, 0, 0, 96))):
        run_findings.measure(folders.run_directory(run), recovered, densities)
        assert "The figures of this run are being made" in _page(researcher, address)
        work(Job.objects.filter(kind="run_findings").latest("pk").pk)
        page = _page(researcher, address)
        assert "being made" not in page
        rows = _rows(page[: page.index("Variance explained, L0")])
        assert [row[1:6] for row in rows] == [
            ["80.0 %", "7.5", "0.0 %", "1.0 %", f"{recovered * 100:.1f} %"],
            ["80.0 %", "7.5", "0.0 %", "1.0 %", "–"],
        ]
        drawn = _rows(_charts(page)["How often latents fire"])
        own = [LATENTS - sum(densities), *densities]
        assert [row[1:] for row in drawn] == [[str(count)] * 2 for count in own]
    assert "on 16 validation tracks" in page


def _binned(counts: Sequence[int]) -> list[list[str]]:
    return [[text, str(count)] for text, count in zip(BINS[1:], counts, strict=True)]


def test_every_latent_that_fires_is_in_one_dot_on_its_side_of_the_borders(
    researcher: Client, run: Run
) -> None:
    charts = _charts(_page(researcher, reverse("run", args=[run.pk])))
    for sae in SAES:
        latents = _table(run, f"features/{sae}.parquet")
        firing = latents[latents.rate > 0]
        dots = run.findings.get(stage="features").data["saes"][sae]["dots"]
        for state, own in (("kept", firing[firing.kept]), ("dropped", firing[~firing.kept])):
            counts, rates, strengths = np.transpose(dots[state])
            assert counts.sum() == len(own)
            for means, values in ((rates, own.rate), (strengths, own.max_activation)):
                # Weighted by their numbers, the cells' means are the mean of all latents.
                whole = np.average(np.log(means), weights=counts)
                assert whole == pytest.approx(np.log(values).mean(), abs=1e-5)
        _, rates, _ = np.transpose(dots["kept"])
        assert rates.min() >= max(FILTER["min_rate"], FILTER["min_tracks"] / TRACKS) * 0.99999
        assert rates.max() <= FILTER["max_rate"] * 1.00001
        html = charts[sae]
        titles = [
            f"{count} {state}: rate {rate * 100:.1f} %, strength {strength:.3g}"
            for state in ("dropped", "kept")
            for count, rate, strength in dots[state]
        ]
        assert re.findall(r"<circle.*?<title>(.*?)</title>", html) == titles
        assert f"Not drawn: {(latents.rate == 0).sum()} latents" in html
        places = np.array([float(x) for x in re.findall(r'cx="([\d.]+)"', html)])
        shown = np.log10([rate for state in ("dropped", "kept") for _, rate, _ in dots[state]])
        assert np.abs(np.polyval(np.polyfit(shown, places, 1), shown) - places).max() < 0.1
        assert re.findall(r"<line class=.rule.*?<title>(.*?)</title>", html) == [
            "r ≥ 1.0 %", "r ≤ 25.0 %", "at least 10 of 200 tracks, 5.0 %",
        ]  # fmt: skip


def test_scores_are_drawn_by_method_and_the_control_is_never_among_the_best(
    researcher: Client, run: Run
) -> None:
    page = _page(researcher, reverse("run", args=[run.pk]))
    charts = _charts(page)
    for scorer in SCORERS:
        scores = _best_labels(run, scorer)
        expected = []
        for method in METHODS:
            own = scores[scores.method == method].score
            quartiles = own.quantile([0.25, 0.5, 0.75])
            figures = [f"{value:.3f}" for value in quartiles]
            expected.append([method, str(own.count()), *figures, str(own.isna().sum())])
        assert _rows(charts[f"Scores: {scorer}"]) == expected
        assert charts[f"Scores: {scorer}"].count("control") == 3  # span, dot, caption
    scores = _best_labels(run, "detection").query("method != 'random-label'")
    best = scores.sort_values("score", ascending=False).drop_duplicates("feature").head(10)
    texts = {row.feature: f"{row.method} 1 of {row.feature}" for row in best.itertuples()}
    table = page[page.index('<table class="table best"') : page.index("By detection")]
    assert [
        [row[1].removesuffix(m).strip(), row[2], row[3]]
        for row, m in zip(_rows(table), best.method, strict=True)
    ] == [[texts[row.feature], f"{row.score:.3f}", row.feature] for row in best.itertuples()]
    exemplars = pd.concat(_table(run, f"exemplars/{sae}.parquet") for sae in SAES).query(
        "rank == 1"
    )
    clips = exemplars.set_index("feature")["clip"]
    played = re.findall(r'data-audio="(.*?)"', table)
    assert played == [reverse("clip-audio", args=[run.pk, clips[f]]) for f in best.feature]
    assert researcher.get(played[0]).status_code == 200


def test_two_runs_are_compared_by_what_they_found(
    researcher: Client, run: Run, tmp_path: Path
) -> None:
    run_findings.make(tmp_path / "two", seed=1)
    two = imports.import_run(directory=tmp_path / "two", name="two")
    page = _page(researcher, f"{reverse('compare-runs')}?run={run.pk}&run={two.pk}")
    charts = _charts(page)
    kept = [
        [sae, *(str(_table(one, f"features/{sae}.parquet").kept.sum()) for one in (run, two))]
        for sae in SAES
    ]
    assert _rows(charts["Kept features"]) == kept
    explained = [one.findings.get(stage="sae").data["saes"] for one in (run, two)]
    assert _rows(charts["Variance explained"]) == [
        [sae, *(f"{(1 - own[sae]['held_out']['fvu']) * 100:.1f} %" for own in explained)]
        for sae in SAES
    ]
    medians = {
        (name, method): f"{median:.3f}"
        for name, one in (("one", run), ("two", two))
        for method, median in _best_labels(one, "detection")
        .groupby("method")
        .score.median()
        .items()
    }
    assert {(row[1], row[0]): row[4] for row in _rows(charts["Scores: detection"])} == medians
    assert "scored by different CLAPs" in charts["Scores: detection"]
    assert "scored by different CLAPs" not in charts["Scores: reading"]
    alone = _charts(_page(researcher, reverse("run", args=[run.pk])))
    assert "scored by different CLAPs" not in alone["Scores: detection"]


def test_a_run_done_before_figures_were_kept_gets_them_when_its_page_is_opened(
    researcher: Client, run: Run
) -> None:
    run.findings.all().delete()
    address = reverse("run", args=[run.pk])
    assert "The figures of this run are being made" in _page(researcher, address)
    work(Job.objects.get(kind="run_findings").pk)
    assert set(run.findings.values_list("stage", flat=True)) == {"sae", "features", "scores"}
    stale = researcher.get(f"{address}?seen=done-7-0", headers={"HX-Request": "true"})
    assert stale.headers["HX-Refresh"] == "true"
    assert _charts(_page(researcher, address))


def test_a_run_without_the_columns_says_so_and_is_imported_all_the_same(
    researcher: Client, tmp_path: Path
) -> None:
    run_directories.make(tmp_path / "old")
    run = imports.import_run(directory=tmp_path / "old", name="old")
    StageFindings.objects.filter(run=run, stage="sae").update(data={"fault": "no column step"})
    page = _page(researcher, reverse("run", args=[run.pk]))
    assert "Some figures could not be made from the run’s files: no column step" in page
    assert "Kept features" in _charts(page)


def test_many_latents_and_long_curves_stay_light() -> None:
    from pipeline.viewing.findings import GRID, dots

    rng = np.random.default_rng(0)
    rate, strength = rng.uniform(0.001, 1, 65_536), rng.lognormal(1, 1, 65_536)
    box = (rate.min(), rate.max(), strength.min(), strength.max())
    cells: Any = np.array(dots(rate, strength, box))
    assert len(cells) <= GRID[0] * GRID[1]
    assert cells[:, 0].sum() == 65_536


def test_of_many_saes_only_some_are_drawn_until_all_are_asked_for(
    researcher: Client, run: Run
) -> None:
    found = run.findings.get(stage="features")
    sae = found.data["saes"][next(iter(SAES))]
    found.data["saes"] = {f"sae-{number}": sae for number in range(20)}
    found.save()
    address = reverse("run", args=[run.pk])
    assert sum(f"sae-{n}" in _charts(_page(researcher, address)) for n in range(20)) == 4
    assert sum(f"sae-{n}" in _charts(_page(researcher, f"{address}?all")) for n in range(20)) == 20


@pytest.mark.parametrize("kept", [0, 1, 2, 3, 7])
def test_few_kept_features_are_counted_by_whole_numbers(kept: int) -> None:
    chart = kept_chart({"": {"saes": {"one": {"kept": kept, "latents": 96}}}})
    assert chart is not None
    counts = [int(tick.text) for tick in chart.x_ticks]
    places = [float(tick.at) for tick in chart.x_ticks]
    assert counts[-1] >= kept
    assert np.ptp(np.diff(counts)) == 0
    assert len(set(counts)) == len(counts) == len(set(places))


def test_a_training_that_diverged_is_drawn_as_far_as_it_is_finite(
    researcher: Client, tmp_path: Path
) -> None:
    files = run_findings.make(tmp_path / "diverged")
    sae = next(iter(SAES))
    path = tmp_path / "diverged" / "sae" / sae / "training.parquet"
    table = pd.read_parquet(path)
    table.loc[table.index >= 90, "batch_variance_explained"] = np.nan
    table.to_parquet(path)
    run = factories.make_run(clips=0)
    findings.store(run=run, stage="sae", files=files)
    points = run.findings.get(stage="sae").data["saes"][sae]["curve"]["points"]
    assert points[-1][0] == 900
    assert "Training" in _charts(_page(researcher, reverse("run", args=[run.pk])))
