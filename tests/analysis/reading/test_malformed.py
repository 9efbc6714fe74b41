"""Generated malformed tables: each gives a report or one clear line, never a traceback."""

from pathlib import Path

from analysis.errors import AnalysisError
from analysis.report.build import build_report
from benchmarks.statistics_malformed import outcome, write_case

TABLES = 120
"""`make bench-statistics` tries ten thousand, other ones too."""


def test_malformed_tables_get_one_line_or_a_report(tmp_path: Path) -> None:
    found = []
    for seed in range(TABLES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found.append(outcome(write_case(folder, seed)))
    reports = found.count("report")
    assert 20 < reports < 100  # both ends of the pipe are exercised
    assert len({line.split(":")[1][:12] for line in found if line != "report"}) > 10


def test_a_drawn_report_or_nothing_for_every_tenth(tmp_path: Path) -> None:
    for seed in range(0, 300, 10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        path = write_case(folder, seed)
        try:
            build_report(path, folder / "out", resamples=100)
        except AnalysisError:
            assert not (folder / "out").exists()
        else:
            assert (folder / "out" / "report.html").stat().st_size > 10_000
