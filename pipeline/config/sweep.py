"""A config that names several subjects: one run for each, in a folder of its name.

    [[sweep.subjects]]
    name = "trained"

    [[sweep.subjects]]
    name = "random"
    control = "random"

Whatever else an entry has takes precedence over [subject]; all other sections are shared.
`python -m pipeline paper` joins the runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config.load import config_of_file, raw_config
from pipeline.config.run_config import RunConfig
from pipeline.errors import PipelineError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A name is a folder's."""


def load_sweep(path: Path) -> dict[str, RunConfig]:
    """The config of every run, by the folder's name; one without a name if there is no [sweep].

    Raises `PipelineError` as `load_config` does, and if the section [sweep] is of another form.
    """
    raw = raw_config(path)
    if "sweep" not in raw:
        return {"": config_of_file(raw, path)}
    sweep = raw.pop("sweep")
    subject = raw.get("subject", {})
    if not isinstance(subject, dict):
        return {"": config_of_file(raw, path)}  # which refuses it
    return {
        name: config_of_file({**raw, "subject": {**subject, **own}}, path)
        for name, own in _subjects(sweep, path).items()
    }


def _subjects(sweep: Any, path: Path) -> dict[str, Mapping[str, Any]]:
    """Each subject's keys of [subject], by its name."""
    entries = sweep.get("subjects") if isinstance(sweep, dict) and len(sweep) == 1 else None
    if not isinstance(entries, list) or not entries:
        raise PipelineError(f"config {path}: [sweep] holds one list, [[sweep.subjects]]")
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in found:
            raise PipelineError(
                f"config {path}: [[sweep.subjects]] name is {name!r:.60}; each needs a name of its "
                "own, of letters, digits, '.', '_' and '-', which becomes its folder"
            )
        found[name] = {key: value for key, value in entry.items() if key != "name"}
    return found
