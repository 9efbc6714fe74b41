"""The notebook runs top to bottom: on an export, and on nothing."""

import json
from pathlib import Path

import pytest

from tests.analysis.factories import full_rows, write_csv

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "analysis.ipynb"


def cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]


@pytest.mark.parametrize("exported", [True, False])
def test_the_notebook_runs_top_to_bottom(
    exported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("EARWITNESS_TABLE", raising=False)
    if exported:
        table = write_csv(tmp_path / "export.csv", full_rows(participants=8))
        monkeypatch.setenv("EARWITNESS_TABLE", str(table))
    names: dict[str, object] = {}
    for number, cell in enumerate(cells(), start=1):
        exec(compile(cell, f"cell {number}", "exec"), names)
    out = names["out"]
    assert isinstance(out, Path)
    assert (out / "report.html").is_file()
    told = capsys.readouterr().out
    assert "effect" in told
    assert "power" in told
