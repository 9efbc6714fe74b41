"""Writes the report's folder, all of it or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from analysis.errors import AnalysisError

OWN_FOLDERS = ("figures", "tables", "latex")
"""Folders in the output that belong to the report and are replaced as a whole."""


def write_all(out: Path, files: Mapping[str, str | bytes]) -> None:
    """Write `files` (relative path to text or bytes) under `out`.

    They are written to a temporary folder beside `out` and then moved there. Files of an earlier
    report are replaced; other files in `out` are not touched.
    """
    if out.exists() and not out.is_dir():
        raise AnalysisError(f"{out.name}: is a file; --out needs a folder")
    made: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        for relative, content in files.items():
            path = made / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        _move_in(made, out)
    except OSError as error:
        reason = (error.strerror or "cannot be written").lower()
        raise AnalysisError(f"{out.name}: {reason}") from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _move_in(made: Path, out: Path) -> None:
    out.mkdir(exist_ok=True)
    for folder in OWN_FOLDERS:
        shutil.rmtree(out / folder, ignore_errors=True)
    for entry in sorted(made.iterdir()):
        os.replace(entry, out / entry.name)
