"""The folder of `--paper`: tables, figures, methods section and references."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.design.pair_simulation import PairDesign
from analysis.report.build import build_report
from analysis.report.paper.references import REFERENCES
from analysis.report.paper.tables import files, tables_in
from tests.analysis.factories import paper_rows, write_csv
from tests.analysis.pairs.rows import intruder_rows, pair_rows
from tests.analysis.report.test_build import contents
from tests.analysis.report.test_scales import report as on_scale


def report(folder: Path, paper: Path) -> int:
    table = write_csv(folder / "responses.csv", paper_rows())
    words = [str(table), "--out", str(folder / "out"), "--seed", "0", "--resamples", "100"]
    return main([*words, "--paper", str(paper)])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The report's folder, and the paper's."""
    folder = tmp_path_factory.mktemp("paper")
    assert report(folder, folder / "paper") == 0
    return folder / "out", folder / "paper"


def test_every_table_of_the_page_is_there_as_latex_and_csv(made: tuple[Path, Path]) -> None:
    out, paper = made
    tables = tables_in((out / "report.html").read_text())
    assert len(tables) > 5
    assert len([*(paper / "tables").glob("*.csv")]) == len(tables)
    for path in (paper / "tables").glob("*.csv"):
        rows = [*csv.reader(path.read_text().splitlines())]
        tex = path.with_suffix(".tex").read_text()
        assert tex.count(r" \\") == len(rows), path.name
        columns = re.search(r"begin\{tabular\}\{([lr]+)\}", tex)
        assert columns is not None
        assert len(columns[1]) == max(map(len, rows))
        for line in (one for one in tex.splitlines() if one.endswith(r" \\")):
            assert len(re.findall(r"(?<!\\)&", line)) == len(columns[1]) - 1
    # Lines of a cell on the page are separated in the table.
    assert re.search(
        r"\]; \d+ ratings", (paper / "tables" / first(paper, "each-method")).read_text()
    )


def first(paper: Path, word: str) -> str:
    return next(one.name for one in sorted((paper / "tables").glob("*.tex")) if word in one.name)


def test_every_figure_is_there_as_svg_and_pdf(made: tuple[Path, Path]) -> None:
    out, paper = made
    names = {one.stem for one in (out / "figures").glob("*.svg")}
    assert {one.stem for one in (paper / "figures").glob("*.svg")} == names
    assert {one.stem for one in (paper / "figures").glob("*.pdf")} == names
    assert all(one.read_bytes()[:5] == b"%PDF-" for one in (paper / "figures").glob("*.pdf"))


def test_what_the_methods_section_cites_is_in_the_references(made: tuple[Path, Path]) -> None:
    _, paper = made
    cited = re.search(r"\\nocite\{(.*)\}", (paper / "methods.tex").read_text())
    assert cited is not None
    entries = re.findall(r"^@\w+\{(\w+),$", (paper / "references.bib").read_text(), re.MULTILINE)
    assert cited[1].split(",") == sorted(entries) == entries
    assert "singh2025discovering" in entries
    assert "gemini2023family" in entries
    assert "woods2017headphone" not in entries, "no file says that headphones were checked"


def test_pairs_and_intruders_have_tables_methods_and_references_of_their_own(
    tmp_path: Path,
) -> None:
    rows = pair_rows(PairDesign(listeners=12, features=8, trials=6, ties=0.1, doses=(1.0, 2.0)))
    design = {"design": "within", "trials_per_participation": 6, "loudness_lufs": -23}
    (tmp_path / "study.json").write_text(json.dumps({"design": design}))
    for kind, table in {"pairs": rows, "intruders": intruder_rows()}.items():
        paper, out = tmp_path / f"{kind}-paper", tmp_path / kind
        csv_path = write_csv(tmp_path / f"{kind}.csv", table)
        build_report(csv_path, out, resamples=100, paper=paper)
        tex = (out / "latex" / f"{kind}.tex").read_text()
        assert re.search(r"\\begin\{tabular\}\{lr+\}", tex), kind
        assert tex.count("95\\,\\%") == 1
        made = contents(paper)
        assert any(name.startswith("tables/") and name.endswith(".tex") for name in made)
        said = (paper / "methods.txt").read_text()
        assert ("heard two sounds" in said, "heard five sounds" in said) == (
            kind == "pairs", kind == "intruders"
        )  # fmt: skip
        assert "chose the label that came closest" not in said
        assert "All sounds were matched in loudness (−23 LUFS)." in said
        assert ("labels of all methods" in said) is (kind == "pairs")
        assert "clustered by participant" in said
        cited = re.search(r"\\nocite\{(.*)\}", (paper / "methods.tex").read_text())
        assert cited is not None
        assert ("bradley1952rank" in cited[1]) is (kind == "pairs")
        assert ("hacker1979revised" in cited[1]) is (kind == "intruders")
        page = (out / "report.html").read_text()
        assert "Methods section to paste" in page


def test_every_reference_has_a_key_of_its_own_and_its_year() -> None:
    keys = [one.key for one in REFERENCES]
    assert len(set(keys)) == len(keys)
    for one in REFERENCES:
        assert dict(one.fields)["year"] in one.key, one.key


def test_a_second_run_gives_the_same_bytes(made: tuple[Path, Path], tmp_path: Path) -> None:
    assert report(tmp_path, tmp_path / "paper") == 0
    assert contents(tmp_path / "paper") == contents(made[1])
    assert report(tmp_path, tmp_path / "paper") == 0
    assert contents(tmp_path / "paper") == contents(made[1])


def test_a_folder_with_files_of_somebody_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    (mine / "figures").mkdir(parents=True)
    (mine / "figures/drawn.pdf").write_text("by hand")
    assert report(tmp_path, mine) == 2
    assert "holds files that this command did not make" in capsys.readouterr().err
    assert contents(mine) == {"figures/drawn.pdf": b"by hand"}
    assert report(tmp_path, tmp_path / "out") == 2
    assert "is the report's folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_cells_of_several_lines_and_signs_of_latex_survive() -> None:
    page = (
        "<table><caption><span>Table 3. Shares, 95 %: x</span></caption><thead><tr><th></th>"
        '<th class="n">a_b</th></tr></thead><tbody><tr><th>R&amp;D</th><td class="n">'
        '<span>3.1</span><span class="interval">[2, 4]</span><span class="under">40 ratings</span>'
        '<span class="under"></span></td></tr></tbody></table>'
    )
    made = dict(files(page))
    assert made["tables/01-shares.csv"] == ',a_b\r\nR&D,"3.1 [2, 4]; 40 ratings"\r\n'
    assert r"R\&D & 3.1 [2, 4]; 40 ratings \\" in made["tables/01-shares.tex"]
    assert r"\caption{Shares, 95 \%: x}" in made["tables/01-shares.tex"]
    assert r" & a\_b \\" in made["tables/01-shares.tex"]


def test_ratings_on_another_scale_have_no_methods_section(tmp_path: Path) -> None:
    scale = "lowest = 0\nhighest = 100"
    on_scale(tmp_path, scale, {n: str(25 * (n - 1)) for n in range(1, 6)})
    table, mapping = tmp_path / "t.csv", tmp_path / "m.toml"
    paper = tmp_path / "paper"
    build_report(table, tmp_path / "out", resamples=100, mapping=mapping, paper=paper)
    assert {"README.txt", "references.bib", "figures/means.pdf"} <= {*contents(paper)}
    assert not (paper / "methods.tex").exists()
