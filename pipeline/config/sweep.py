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
    try:
        sections = expanded(raw_config(path))
    except SweepError as error:
        raise PipelineError(f"config {path}: {error}") from error
    return {name: config_of_file(raw, path) for name, raw in sections.items()}


class SweepError(PipelineError):
    """The section [sweep] is of another form."""


def expanded(raw: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The sections of every run's config, unchecked, by its name; one without a name if there is no
    [sweep]. Raises `SweepError`."""
    if "sweep" not in raw:
        return {"": dict(raw)}
    shared = {name: section for name, section in raw.items() if name != "sweep"}
    subject = shared.get("subject", {})
    if not isinstance(subject, dict):
        return {"": shared}  # which is refused as a config
    return {
        name: {**shared, "subject": {**subject, **own}}
        for name, own in subjects_of(raw["sweep"]).items()
    }


def subjects_of(sweep: Any) -> dict[str, dict[str, Any]]:
    """Each subject's own keys of [subject], by its name, of a section [sweep]."""
    entries = sweep.get("subjects") if isinstance(sweep, dict) and len(sweep) == 1 else None
    if not isinstance(entries, list) or not entries:
        raise SweepError("[sweep] holds one list, [[sweep.subjects]]")
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in found:
            raise SweepError(
                f"[[sweep.subjects]] name is {name!r:.60}; each needs a name of its own, of "
                "letters, digits, '.', '_' and '-', which becomes its folder"
            )
        found[name] = {key: value for key, value in entry.items() if key != "name"}
    return found
