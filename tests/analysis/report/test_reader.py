"""The report as a reader reads it: order, sample, features, methods section, LaTeX."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from analysis.estimates.results import Summary
from analysis.report.about.latex import tex
from analysis.report.build import build_report
from tests.analysis.factories import Row, full_rows, write_csv

STUDY: dict[str, Any] = {
    "study": "names",
    "study_version": 2,
    "design_hash": "9884de6be8ea",
    "frozen_at": "2026-11-19T09:30:00+00:00",
    "analysis_plan": {"confirmatory": ["difference_mean_confidence"]},
    "design": {
        "title": "What do these sounds share?",
        "design": "between",
        "features_wanted": 60,
        "ratings_per_item": 5,
        "trials_per_participation": 10,
        "practice_trials": 2,
        "steps": ["consent", "headphones", "practice"],
        "headphone_check": "huggins",
        "headphones_required": True,
        "loudness_lufs": -23.0,
        "option_policy": "candidates",
        "left_out": {"features": 988, "eligible": 700},
    },
}


def people(rows: list[Row]) -> list[Row]:
    """A `participants.csv` of everyone in the table and of six who never answered."""
    answered = {str(r["participation"]): str(r["method"]) for r in rows}
    inside: list[Row] = [
        {
            "participation": name,
            "method": method,
            "participation_status": "complete",
            "simulated": "false",
            "trials_answered": 10,
            "headphones": "true" if i % 4 else "false",
            "age_band": "25-34" if i % 2 else "",
            "listening_device": "over_ear",
            "musical_training": 3 + i % 5,
            "created_at": "2026-11-20T18:00:00+00:00",
            "finished_at": f"2026-11-20T18:1{i % 4}:00+00:00",
        }
        for i, (name, method) in enumerate(answered.items())
    ]
    never = [("refused", ""), ("screened_out", "gemini"), ("screened_out", "gemini"),
             ("timed_out", "gemini"), ("returned", ""), ("active", "essentia")]  # fmt: skip
    empty = dict.fromkeys(inside[0], "")
    outside = [
        empty | {"participation": f"x{i}", "method": method, "participation_status": status,
                 "simulated": "false", "trials_answered": 0}
        for i, (status, method) in enumerate(never)
    ]  # fmt: skip
    robot = empty | {"participation": "robot", "participation_status": "complete",
                     "simulated": "true"}  # fmt: skip
    return [*inside, *outside, robot]


def answers() -> list[Row]:
    """Two SAEs; a label that LaTeX and HTML would stumble over."""
    rows = full_rows(participants=16, trials=8, catch=False)
    for row in rows:
        odd = int(str(row["feature"]).rpartition("/")[2]) % 2
        sae = f"layer{3 + odd}-n1536-k16"
        row |= {"sae": sae, "feature": f"{sae}/{str(row['feature']).rpartition('/')[2]}"}
        row |= {"hookpoint": f"decoder.layers.{3 + odd}.resid_post"}
    return rows


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary, str]:
    folder = tmp_path_factory.mktemp("reader")
    rows = answers()
    table = write_csv(folder / "responses.csv", rows)
    write_csv(folder / "participants.csv", people(rows))
    labels: list[Row] = [
        {"run": "run-1", "feature": f, "method": m, "rank": 1, "text": f"{m} & <b>50%_{i}"}
        for i, f in enumerate(sorted({str(r["feature"]) for r in rows}))
        for m in ("essentia", "gemini")
    ]
    write_csv(folder / "labels.csv", labels)
    (folder / "study.json").write_text(json.dumps(STUDY), encoding="utf-8")
    pages = {"run-1": "/runs/7/features/"}
    summary = build_report(table, folder / "out", resamples=100, feature_pages=pages)
    return folder, summary, (folder / "out" / "report.html").read_text(encoding="utf-8")


def plain(markup: str) -> str:
    return " ".join(re.sub("<[^>]+>", " ", markup).split())


def test_confirmatory_results_stand_above_and_apart_from_all_others(
    built: tuple[Path, Summary, str],
) -> None:
    page = built[2]
    order = ("confirmatory", "exploratory", "by-feature", "participants", "plan", "paste",
             "appendix")  # fmt: skip
    places = [page.index(f'<h2 id="{name}">') for name in order]
    assert places == sorted(places)
    first = page[places[0] : places[1]]
    assert "Difference in mean confidence is zero" in first
    assert "Superiority" not in first
    assert "Exploratory tests" in page[places[-1] :]
    assert "Standard deviation" not in page[: places[-1]]


def test_the_contents_lead_to_every_section(built: tuple[Path, Summary, str]) -> None:
    page = built[2]
    linked = re.findall(r'<li><a href="#([^"]+)">', page)
    assert linked == re.findall(r'<h2 id="([^"]+)">', page)
    assert page.index("<nav") < page.index("<h2")


def test_the_head_names_study_version_dates_and_design(built: tuple[Path, Summary, str]) -> None:
    head = plain(built[2][built[2].index("<header>") : built[2].index("</header>")])
    assert head.startswith("What do these sounds share?")
    for fact in ("Study names, version 2", "design frozen 2026-11-19 09:30 UTC",
                 "answers of 2026-11-20", "242 ratings by 32"):  # fmt: skip
        assert fact in head


def test_the_sample_counts_those_who_left_before_an_answer_by_method(
    built: tuple[Path, Summary, str],
) -> None:
    sample = built[1].sample
    assert sample.by_method["gemini"] == {
        "started": 19, "refused": 0, "screened_out": 2, "left_before": 1, "left_after": 0,
        "complete": 16, "excluded": 0, "entered": 16,
    }  # fmt: skip
    assert sample.by_method["essentia"]["left_before"] == 1
    assert sample.by_method["no method yet"]["refused"] == 1
    assert sample.total("started") == 38  # the simulated participation is not among them
    assert sample.headphones == (24, 32)
    assert sample.minutes == {"median": 11.5, "lower": 10.75, "upper": 12.25, "n": 32}
    text = plain(built[2])
    assert "Age: 25–34 (16), not said (16)." in text
    assert "Listened with: over-ear headphones (32)." in text
    assert "Left before a first answer 1 1 1 3" in text


def test_features_are_named_by_label_with_a_link_to_their_sounds(
    built: tuple[Path, Summary, str],
) -> None:
    folder, _, page = built
    section = page[page.index('id="by-feature"') : page.index('id="participants"')]
    links = re.findall(
        r'<a href="(/runs/7/features/layer[34]-n1536-k16/\d+/)"[^>]*>(.*?)</a>', section
    )
    assert len(links) == 40
    assert all(
        re.fullmatch(r"(essentia|gemini) &amp; &lt;b&gt;50%_\d+", words) for _, words in links
    )
    assert "layer4-n1536-k16" in section
    assert "decoder.layers.4.resid_post" in section
    # A participant's second rating of a feature does not count.
    first = {(r["participation"], r["feature"]): r for r in reversed(answers())}
    ratings: dict[str, list[int]] = {}
    for row in first.values():
        if row["method"] == "gemini":
            ratings.setdefault(str(row["feature"]), []).append(int(str(row["confidence"])))
    means = {f: sum(of) / len(of) for f, of in ratings.items()}
    table = (folder / "out" / "latex" / "features.tex").read_text(encoding="utf-8")
    named = re.findall(r"gemini & (best|worst) & .*? & (\S+) & ([\d.]+) & \d+", table)
    assert [kind for kind, _, _ in named] == ["best"] * 10 + ["worst"] * 10
    assert min(float(m) for _, _, m in named[:10]) > max(float(m) for _, _, m in named[10:])
    for _, feature, mean in named:
        assert float(mean) == pytest.approx(means[feature.replace("\\_", "_")], abs=0.005)


def test_the_methods_section_has_the_study_s_numbers(built: tuple[Path, Summary, str]) -> None:
    text = (built[0] / "out" / "methods.txt").read_text(encoding="utf-8")
    for said in (
        "60 features were drawn at random from 700 eligible ones of 988",
        "assigned at random",
        "10 trials, with 2 practice trials",
        "matched in loudness (−23 LUFS)",
        "Huggins pitches; participants who failed were screened out",
        "fixed before the first answer (design hash 9884de6be8ea)",
        "clustered by participant and feature",
    ):
        assert said in text
    assert "[Ethics approval.]" in text
    assert plain(text.split("\n\n")[2]) in plain(built[2])


def test_the_tables_are_there_as_latex(built: tuple[Path, Summary, str], tmp_path: Path) -> None:
    folder = built[0] / "out" / "latex"
    assert {path.stem for path in folder.iterdir()} == {
        "methods", "differences", "tests", "participants", "features",
    }  # fmt: skip
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
        columns = len(re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)[0])
        for line in body.splitlines()[1:]:
            assert len(re.findall(r"(?<!\\)&", line)) == columns - 1, line
    assert tex("50% & a_b <x> −1") == r"50\% \& a\_b \textless{}x\textgreater{} $-$1"
    if not (latex := shutil.which("pdflatex")):
        return
    whole = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()))
    source = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + whole
    (tmp_path / "t.tex").write_text(source + r"\end{document}", encoding="utf-8")
    subprocess.run([latex, "-halt-on-error", "t.tex"], cwd=tmp_path, check=True)


def test_figures_fill_the_column_and_a_name_hides_the_line_at_zero(
    built: tuple[Path, Summary, str],
) -> None:
    page = built[2]
    assert "max-width: 32rem" not in page
    svg = page[page.index('id="figure-differences"') :]
    svg = svg[: svg.index("</svg>")]
    name = svg.index("essentia − gemini", svg.index(">", svg.index("<svg")))
    assert "var(--paper)" in svg[:name]


def test_simulated_answers_have_a_banner_and_no_people(tmp_path: Path) -> None:
    rows = [row | {"simulated": "true"} for row in answers()]
    build_report(write_csv(tmp_path / "r.csv", rows), tmp_path / "out", resamples=100)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.index('class="warning" role="note"') < page.index('class="lead"')
    assert "[All participants were simulated listeners.]" in page


def test_a_study_with_odd_entries_says_less_and_is_reported(tmp_path: Path) -> None:
    design = {key: ["odd"] for key in STUDY["design"]} | {"practice_trials": True, "steps": 3}
    study = {"study": {"odd": 1}, "study_version": [2], "design": design, "frozen_at": 5,
             "design_hash": {"odd": 2}}  # fmt: skip
    (tmp_path / "study.json").write_text(json.dumps(study), encoding="utf-8")
    table = write_csv(tmp_path / "r.csv", full_rows(participants=4, catch=False))
    summary = build_report(table, tmp_path / "out", resamples=100)
    assert summary.study.design == {"headphones_required": False, "steps": []}
    assert (summary.study.name, summary.study.title, summary.study.design_hash) == ("names", "", "")
