"""The page: what it says, what it never loads, and what is refused before anything is written."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analysis.report import page as report_page
from analysis.report import palette
from pipeline.__main__ import main
from pipeline.errors import PipelineError
from pipeline.paper import drawing, page
from pipeline.paper.build import as_csv, build, tables
from pipeline.paper.figures import figure_7
from pipeline.paper.results import compute
from pipeline.paper.sweep import join
from pipeline.progress import SilentProgress
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import ImprovedRecord
from tests.pipeline.paper.factory import make_run


def html_of(runs: list[Path], out: Path) -> str:
    build(runs, out, probe=False, progress=SilentProgress())
    return (out / "paper.html").read_text(encoding="utf-8")


def test_the_papers_numbers_stand_beside_and_are_not_called_comparable(report: Path) -> None:
    html = (report / "paper.html").read_text(encoding="utf-8")
    assert "printed beside these for orientation, not as a comparison" in html
    assert "4,697" in html
    assert "2,344" in html
    assert "50.29 ± 3.41" in html
    assert "40.51 ± 3.60" in html
    assert "100 tracks of 10 s at most" in html
    # Figure 7, 3, 4, two of 6, 8 and 9.
    assert html.count("<figure ") == 7
    assert {path.suffix for path in (report / "figures").iterdir()} == {".svg", ".pdf"}


def test_the_page_loads_nothing(report: Path) -> None:
    html = (report / "paper.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert set(re.findall(r'(?:src|href)="([^#"][^"]*)"', html)) == set()
    assert "url(http" not in html
    assert "@import" not in html


def test_the_page_looks_like_the_analysis_report() -> None:
    assert drawing.VARIABLES == palette.VARIABLES
    theirs = report_page._STYLE.splitlines()
    assert [line for line in page._STYLE.splitlines() if line not in theirs] == []


def test_equal_runs_give_equal_bytes(report: Path, runs: list[Path]) -> None:
    again = compute(runs, probe=False, progress=SilentProgress(), permutations=0)
    drawing = figure_7(again.counts)
    assert (report / "figures" / "figure_7.svg").read_text() == page.standalone(drawing)
    assert (report / "figures" / "figure_7.pdf").read_bytes() == drawing.pdf
    for name, rows in tables(again):
        assert (report / "tables" / name).read_bytes() == as_csv(rows), name


def test_table_2_is_on_the_page_and_in_the_csv(tmp_path: Path) -> None:
    directory = RunDirectory(make_run(tmp_path / "run", layers=(1,)))
    row = ImprovedRecord(
        sae="layer1-n12-k2", hookpoint="h", intervention="add", kept=9, tried=8, seeds=2,
        improved=2, low=0.07, high=0.59, random_tried=0, random_improved=0, random_low=None,
        random_high=None, p=None, pool_share=0.4, improved_one_seed=3,
    )  # fmt: skip
    with directory.writer("steering-evaluation") as writer:
        writer.write_table("steering/table2.parquet", table_of(ImprovedRecord, [row]))
    html = html_of([directory.path], tmp_path / "out")
    assert '2 of 8</td><td class="n">25.0 % <span class="interval">7.0 to 59.0</span>' in html
    assert "was evaluated under steering" not in html
    head, line = (tmp_path / "out/tables/table_2.csv").read_text().splitlines()
    assert head.startswith("model,layer,expansion,k,sae,")
    assert line.startswith("musicgen-tiny,1,2.0,2,layer1-n12-k2,h,add,9,8,2,2,")


def test_a_folder_of_runs_stands_for_its_runs(runs: list[Path]) -> None:
    assert [run.directory.path for run in join([runs[0].parent]).runs] == sorted(runs)
    with pytest.raises(PipelineError, match=r"run\.json is missing; is .* a run directory"):
        join([runs[0].parent.parent])


def test_what_a_run_lacks_is_one_sentence(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    other = make_run(tmp_path / "other", control="random", heard_by="tiny 2")
    mixed = compute([run, other], probe=False, progress=SilentProgress(), permutations=0)
    assert "scored by different CLAP models" in mixed.no_clap
    assert not mixed.cells
    for file in (run / "scores").rglob("*.parquet"):
        file.unlink()
    RunDirectory(run).forget(["scores"])
    html = html_of([run], tmp_path / "plain")
    assert "None of these runs has CLAP scores" in html
    assert not list((tmp_path / "plain" / "tables").glob("figure_3*"))


def test_runs_that_cannot_stand_in_one_table_are_refused_before_anything_is_written(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longer = make_run(tmp_path / "longer", control="random", clip_seconds=20.0)
    again = make_run(tmp_path / "again")
    out = tmp_path / "out"
    assert main(["paper", str(runs[0]), str(longer), "--out", str(out)]) == 2
    assert "differ in the corpus or its split ([corpus] clip_seconds)" in capsys.readouterr().err
    assert main(["paper", str(runs[0]), str(again), "--out", str(out)]) == 2
    assert "a table has one number for it" in capsys.readouterr().err
    assert not out.exists()
    table = RunDirectory(again).path_of("features/layer1-n12-k2.parquet")
    pq.write_table(pq.read_table(table).drop_columns("reason"), table)
    assert main(["paper", str(again), "--out", str(out), "--no-probe"]) == 2
    assert "features/layer1-n12-k2.parquet of" in capsys.readouterr().err
    with pytest.raises(PipelineError, match="lies in the run"):
        build(runs, runs[0] / "paper", probe=False, progress=SilentProgress())
    mine = out / "figures" / "mine.svg"
    mine.parent.mkdir(parents=True)
    mine.write_text("")
    assert main(["paper", str(runs[0]), "--out", str(out), "--no-probe"]) == 2
    assert "holds mine.svg, which is no part of a report" in capsys.readouterr().err
    assert mine.is_file()
