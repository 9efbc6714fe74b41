"""`dataset_description.json` for Psych-DS 1.0: a schema.org Dataset with its variables.

Source: psych-ds.readthedocs.io. In the layout `psych-ds` the tables are in `data/`, with names made
of keyword-value pairs that end in `_data.csv`; this file is the same in both layouts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from studyapp.exports.files import Column, File

TYPES = {"text": "Text", "integer": "Integer", "number": "Number", "boolean": "Boolean",
         "time": "DateTime"}  # fmt: skip


def description(protocol: Mapping[str, Any], files: Iterable[File[Any]]) -> dict[str, Any]:
    """Return the document for a study's `study.json` and its files."""
    files = list(files)
    slug, version = protocol["study"], protocol["study_version"]
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "schemaVersion": "Psych-DS 1.0.0",
        "name": f"{slug} version {version}",
        "description": (
            "Responses to a listening study made with Earwitness: "
            f"{protocol['design']['title']} The frozen design's SHA-256 is "
            f"{protocol['design_hash'] or 'not there: the study is a draft'}."
        ),
        "version": str(version),
        "dateCreated": protocol["exported_at"],
        "variableMeasured": [_variable(name, c) for name, c in _columns(files).items()],
        "hasPart": [
            {"@type": "Dataset", "name": f.name, "description": f"A row is {f.row_is}."}
            for f in files
        ],
    }


def table_name(slug: str, version: int, file: File[Any]) -> str:
    """Return a table's path in the layout `psych-ds`; values are letters and digits only."""
    study = "".join(c for c in slug if c.isalnum())
    return f"data/study-{study}_version-{version}_table-{file.name.removesuffix('.csv')}_data.csv"


def _columns(files: Iterable[File[Any]]) -> dict[str, Column[Any]]:
    """Name → column; columns of the same name mean the same in every file."""
    return {column.name: column for file in reversed(list(files)) for column in file.columns}


def _variable(name: str, column: Column[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "@type": "PropertyValue",
        "name": name,
        "description": column.meaning,
        "valueReference": TYPES[column.type],
    }
    if column.unit:
        found["unitText"] = column.unit
    if column.levels:
        found["levels"] = list(column.levels)
    return found
