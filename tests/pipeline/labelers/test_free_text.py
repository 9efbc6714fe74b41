"""`free-text`: only answers about the configured run count, and synonyms are merged."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.context import SaeContext
from pipeline.errors import PipelineError
from pipeline.labelers import labeler
from pipeline.labelers.study_responses import IDENTIFIER
from tests.pipeline.labelers.factory import HEARD_RUN, SAE


def with_answers(
    context: SaeContext, tmp_path: Path, *more: tuple[str, str, str], run: str = HEARD_RUN
) -> SaeContext:
    """The context with further answers `(run, feature, text)` in the listeners' file."""
    given = context.config.free_text
    assert given.responses is not None
    path = tmp_path / "responses.csv"
    path.write_bytes(given.responses.read_bytes())
    with given.responses.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with path.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        for number, (of, feature, text) in enumerate(more):
            person = f"q{number}"
            changed = {"run": of, "feature": feature, "free_text": text, "participation": person}
            writer.writerow({**rows[0], **changed})
    mine = replace(given, responses=path, run=run)
    return replace(context, config=replace(context.config, free_text=mine))


def texts(context: SaeContext) -> Counter[str]:
    rows = labeler("free-text").label(context, context.features)
    return Counter(row.text for row in rows if row.text)


def test_answers_about_another_run_name_nothing(context: SaeContext, tmp_path: Path) -> None:
    """Its features have the same names."""
    others = [("ba9876543210", f"{SAE}/0", "bagpipes")] * 9
    more = with_answers(context, tmp_path, *others)
    assert texts(more) == texts(context)
    other = with_answers(context, tmp_path, *others, run="ba9876543210")
    assert texts(other) == {"bagpipes": 1}


def test_a_run_may_be_named_by_its_whole_key(context: SaeContext, tmp_path: Path) -> None:
    whole = HEARD_RUN.ljust(64, "0")
    assert len(HEARD_RUN) == IDENTIFIER
    assert texts(with_answers(context, tmp_path, run=whole)) == texts(context)


def test_simulated_listeners_name_nothing(context: SaeContext, tmp_path: Path) -> None:
    more = with_answers(context, tmp_path, *[(HEARD_RUN, f"{SAE}/0", "bagpipes")] * 9)
    path = more.config.free_text.responses
    assert path is not None
    lines = path.read_text(encoding="utf-8").splitlines()
    marked = [f"{line},{'true' if 'bagpipes' in line else 'false'}" for line in lines[1:]]
    path.write_text("\n".join([f"{lines[0]},simulated", *marked]), encoding="utf-8")
    assert texts(more) == texts(context)


@pytest.mark.parametrize(
    ("run", "said"), [("", "run is empty"), ("ffffffffffff", "no answer is about run ffffffffffff")]
)
def test_a_run_that_is_not_named_or_not_there_is_refused_before_any_work(
    context: SaeContext, tmp_path: Path, run: str, said: str
) -> None:
    other = with_answers(context, tmp_path, run=run)
    with pytest.raises(PipelineError, match=rf"{said}.*in the file: {HEARD_RUN}") as refused:
        labeler("free-text").outside(other.config)
    assert "\n" not in str(refused.value)


def test_a_run_with_other_features_is_refused(context: SaeContext, tmp_path: Path) -> None:
    other = with_answers(context, tmp_path, (HEARD_RUN, f"{SAE}/7", "bells"))
    with pytest.raises(PipelineError, match=f"heard {SAE}/7 of run {HEARD_RUN}"):
        texts(other)
