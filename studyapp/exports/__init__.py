"""The export of a study: streamed CSV files, their codebook, and the study's protocol.

`columns` defines every column once; `write` makes the files from the definitions.
"""

from studyapp.exports.columns import RESPONSES
from studyapp.exports.write import (
    ExportError,
    export_study,
    responses_as_csv,
    study_named,
    zip_study,
)

__all__ = [
    "RESPONSES",
    "ExportError",
    "export_study",
    "responses_as_csv",
    "study_named",
    "zip_study",
]
