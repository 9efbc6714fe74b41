"""The report as files: `analysis.report`, and the command."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from analysis.__main__ import main
from analysis.errors import AnalysisError
from analysis.estimates.results import Summary
from analysis.report.build import build_report
from tests.analysis.factories import Row, paper_rows, write_csv

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("report")
    table = write_csv(folder / "responses.csv", paper_rows())
    return folder / "out", build_report(table, folder / "out", seed=0, resamples=500)


def contents(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def test_the_report_is_a_page_a_summary_a_table_and_pictures(built: tuple[Path, Summary]) -> None:
    files = set(contents(built[0]))
    assert {
        "report.html",
        "summary.json",
        "estimates.csv",
        "figures/distribution.svg",
        "figures/means.svg",
        "figures/differences.svg",
        "tests.csv",
    } <= files


def test_the_same_table_and_seed_give_the_same_bytes(
    built: tuple[Path, Summary], tmp_path: Path
) -> None:
    table = write_csv(tmp_path / "responses.csv", paper_rows())
    build_report(table, tmp_path / "again", seed=0, resamples=500)
    assert contents(tmp_path / "again") == contents(built[0])


def test_another_process_gives_the_same_bytes(built: tuple[Path, Summary], tmp_path: Path) -> None:
    table = write_csv(tmp_path / "responses.csv", paper_rows())
    command = [
        sys.executable,
        "-m",
        "analysis",
        str(table),
        "--out",
        str(tmp_path / "o"),
        "--resamples",
        "500",
    ]
    environment = os.environ | {"PYTHONHASHSEED": "123"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(tmp_path / "o") == contents(built[0])


def test_files_hold_unrounded_numbers(built: tuple[Path, Summary]) -> None:
    out, summary = built
    found = json.loads((out / "summary.json").read_text())
    with (out / "estimates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found["estimates"]) == len(summary.estimates)
    for row, item, e in zip(rows, found["estimates"], summary.estimates, strict=True):
        assert item["value"] == e.value
        assert row["value"] == ("" if e.value is None else repr(e.value))


def test_the_page_is_self_contained_and_says_which_shares(built: tuple[Path, Summary]) -> None:
    text = (built[0] / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!#)', text)
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert "share of ratings that are 4 or 5 (≥ 4)" in text
    assert text.count('role="img" aria-label="') == 5


def test_ids_are_unique_and_references_lead_somewhere(built: tuple[Path, Summary]) -> None:
    text = (built[0] / "report.html").read_text()
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    references = set(re.findall(r"url\(#([^)]+)\)", text))
    references |= set(re.findall(r'href="#([^"]+)', text))
    assert references <= set(ids)


def test_pictures_are_svg_with_alt_text_and_without_date(built: tuple[Path, Summary]) -> None:
    for path in (built[0] / "figures").iterdir():
        tree = ElementTree.parse(path)
        assert tree.getroot()[0].tag.endswith("title")
        assert "<dc:date>" not in path.read_text()


def test_the_paper_s_design_comes_back_within_its_intervals(built: tuple[Path, Summary]) -> None:
    summary = built[1]
    truth = {"essentia": (3.96, 0.71), "gemini": (3.19, 0.47)}
    for method, (mean, share) in truth.items():
        found = summary.find("mean_confidence", method)
        assert (found.low or 9) <= mean <= (found.high or 0)
        found = summary.find("share_at_least_4", method)
        assert (found.low or 9) <= share <= (found.high or 0)
    difference = summary.find("difference_mean_confidence", "essentia − gemini")
    assert (difference.low or 9) <= 0.77 <= (difference.high or 0)


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    rows: list[Row] = []
    names = ["<script>alert(1)</script>", "$\\frac{", "\x01\x07\u202e", "=1+1", "方法", "a" * 5000]
    for i, name in enumerate(names):
        rows += [
            {
                "participation": f"p{i}{j}",
                "method": name,
                "feature": "<b>&",
                "trial": 1,
                "confidence": 1 + j,
            }
            for j in range(4)
        ]
    table = write_csv(tmp_path / "<i>.csv", rows)
    build_report(table, tmp_path / "out", seed=0, resamples=100)
    text = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in text
    assert "<i>.csv" not in text
    assert "\x01" not in text
    for path in (tmp_path / "out" / "figures").iterdir():
        ElementTree.parse(path)


def test_a_refusal_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = paper_rows(participants=2)
    rows[7]["confidence"] = 9
    table = write_csv(tmp_path / "responses.csv", rows)
    assert main([str(table), "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "analysis: responses.csv: row 9: confidence is '9', expected a whole number from 1 to 5\n"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["responses.csv"]


def test_an_earlier_report_is_kept_by_a_refusal_and_replaced_by_a_report(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "r.csv", paper_rows(participants=3))
    out = tmp_path / "out"
    build_report(table, out, seed=0, resamples=100)
    (out / "figures" / "old.svg").write_text("old")
    (out / "notes.txt").write_text("mine")
    before = contents(out)
    with pytest.raises(AnalysisError):
        build_report(table, out, seed=0, resamples=100, compare=("essentia", "none"))
    assert contents(out) == before
    build_report(table, out, seed=0, resamples=100)
    assert set(contents(out)) == set(before) - {"figures/old.svg"}


def test_arguments_out_of_range_and_a_file_as_folder(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "r.csv", paper_rows(participants=2))
    with pytest.raises(AnalysisError, match="under 100"):
        build_report(table, tmp_path / "o", seed=0, resamples=10)
    with pytest.raises(AnalysisError, match="--seed is -1"):
        build_report(table, tmp_path / "o", seed=-1, resamples=100)
    with pytest.raises(AnalysisError, match="is a file"):
        build_report(table, table, seed=0, resamples=100)


def test_one_method_and_many_methods_both_make_a_report(tmp_path: Path) -> None:
    one = {"solo": (0.1, 0.2, 0.2, 0.3, 0.2)}
    table = write_csv(tmp_path / "one.csv", paper_rows(participants=3, shares=one))
    assert build_report(table, tmp_path / "one", seed=0, resamples=100).methods == ("solo",)
    many = {f"m{i}": (0.1, 0.2, 0.2, 0.3, 0.2) for i in range(6)}
    table = write_csv(tmp_path / "many.csv", paper_rows(participants=3, shares=many))
    summary = build_report(table, tmp_path / "many", seed=0, resamples=100)
    found = [e for e in summary.estimates if e.name == "difference_mean_confidence"]
    assert sum(e.recommended for e in found) == 15


def test_the_analysis_loads_no_matplotlib_before_it_draws() -> None:
    code = (
        "import sys, analysis.report, analysis.__main__; "
        "heavy = {'matplotlib', 'torch', 'django', 'statsmodels', 'sklearn'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
