"""The export of a study: streamed CSV files, their codebook, and the study's protocol.

`columns` defines every column once; `write` writes the files from these definitions.
"""

from studyapp.exports.cells import pseudonym
from studyapp.exports.columns import RESPONSES
from studyapp.exports.lookup import participation_named
from studyapp.exports.write import (
    ExportError,
    Forms,
    export_study,
    protocol,
    responses_as_csv,
    study_named,
    tables,
    zip_study,
)

__all__ = [
    "RESPONSES",
    "ExportError",
    "Forms",
    "export_study",
    "participation_named",
    "protocol",
    "pseudonym",
    "responses_as_csv",
    "study_named",
    "tables",
    "zip_study",
]
