"""What `run.json` and `manifest.json` must hold, so that a damaged one is refused in a line.

A run may come from another machine, by hand; whoever reads its files can rely on these shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

DESCRIBED: Mapping[str, type] = {
    "config": dict, "identity": dict, "key": str, "subject_fingerprint": str
}  # fmt: skip
"""Parts of `run.json` that are read again."""


def checked_description(found: Any, path: Path, needed: tuple[str, ...]) -> dict[str, Any]:
    """`run.json` with the parts that are needed; raises `PipelineError` if it lacks one."""
    if not isinstance(found, dict):
        raise PipelineError(f"{path} is damaged: it is no object")
    for name in needed:
        if not isinstance(found.get(name), DESCRIBED[name]):
            raise PipelineError(
                f"{path} is damaged, or no run's: its {name} is {found.get(name)!r:.60}"
            )
    return found


def checked_manifest(found: Any, path: Path) -> dict[str, Any]:
    """`manifest.json`; raises `PipelineError` if a stage has no files or no summary."""
    stages = found.get("stages") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(stages, dict):
        raise PipelineError(f"{path} is damaged: it has no stages")
    for stage, entry in stages.items():
        entry = entry if isinstance(entry, dict) else {}
        files, summary, seconds = (entry.get(name) for name in ("files", "summary", "seconds"))
        if not isinstance(files, dict) or not all(isinstance(one, str) for one in files.values()):
            raise PipelineError(f"{path} is damaged: its stage {stage} has no list of files")
        if not isinstance(summary, dict):
            raise PipelineError(f"{path} is damaged: its stage {stage} has no summary")
        if not isinstance(seconds, int | float):
            raise PipelineError(
                f"{path} is damaged: its stage {stage} took {seconds!r:.60} seconds"
            )
    return found
