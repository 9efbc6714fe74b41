"""What `run.json` and `manifest.json` must contain, so that a damaged one is refused in one line.

A run may have been copied by hand from another machine; code that reads these files can rely on the
shapes that are checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import PipelineError

DESCRIBED: Mapping[str, type] = {
    "config": dict, "identity": dict, "key": str, "subject_fingerprint": str
}  # fmt: skip
"""The parts of `run.json` that code reads back, and their types."""


def checked_description(found: Any, path: str, needed: tuple[str, ...]) -> dict[str, Any]:
    """`found`, the contents of `run.json`; raises `PipelineError` if it lacks a needed part."""
    if not isinstance(found, dict):
        raise PipelineError(f"{path} is damaged: it is not a JSON object")
    for name in needed:
        if not isinstance(found.get(name), DESCRIBED[name]):
            raise PipelineError(
                f"{path} is damaged or not from a run: its {name} is {found.get(name)!r:.60}"
            )
    return found


def checked_manifest(found: Any, path: str) -> dict[str, Any]:
    """`found`, the contents of `manifest.json`; raises `PipelineError` if a stage lacks its files,
    seconds or summary."""
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
                f"{path} is damaged: its stage {stage} has {seconds!r:.60} as its seconds"
            )
    return found
