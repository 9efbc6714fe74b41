"""docs/codebook.md is the codebook that every export carries, for a run with the scorer `clap`."""

from pathlib import Path

from studyapp.exports import codebook, columns, participants, reports

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "codebook.md"


def test_the_document_is_made_from_the_columns() -> None:
    # After a change of the columns, write what `as_markdown` returns here into the document.
    files = [
        columns.RESPONSES, participants.PARTICIPANTS, columns.TRIALS, columns.EVENTS,
        reports.PROBLEMS,
        columns.labels_file(["clap"]), columns.STIMULI, columns.STEERING,
    ]  # fmt: skip
    assert DOCUMENT.read_text(encoding="utf-8") == codebook.as_markdown(files)
