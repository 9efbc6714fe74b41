"""The folders of runs: where they are, how rows store them, and whether their files are intact."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from studyapp.core.errors import RunError
from studyapp.models import Run

if TYPE_CHECKING:
    from pipeline.store.run_directory import RunDirectory


def directory_of(*, run: Run) -> Path:
    """Return the run's directory as an absolute path."""
    return Path(settings.DATA) / run.directory


def run_directory(run: Run) -> RunDirectory:
    """Return the pipeline's object for the run's files."""
    from pipeline.store.run_directory import RunDirectory

    return RunDirectory(directory_of(run=run))


def new_directory() -> str:
    """Return a new directory for a run: unguessable and unused."""
    directory = f"runs/{uuid.uuid4()}"
    if (settings.DATA / directory).exists():
        raise RunError(f"the folder {directory} already exists; try again")
    return directory


def stored(path: Path) -> str:
    """Return a directory in the form that rows store, so that none is stored twice."""
    root = Path(settings.DATA).resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def rows_of(path: Path) -> list[Run]:
    """Return every run whose files are in the folder, however its row writes the path."""
    rows, path = Run.objects.only("name", "directory"), path.resolve()
    return [run for run in rows if directory_of(run=run).resolve() == path]


def check_stages(files: RunDirectory) -> None:
    """Raise `RunError` unless every stage is done."""
    from pipeline.run import STAGES

    stages = files.manifest()["stages"]
    missing = [stage for stage in STAGES if stage not in stages]
    if missing:
        raise RunError(f"{files.path} is not a finished run: {', '.join(missing)} not done")


def check_files(files: RunDirectory, check: Callable[[], None] = lambda: None) -> None:
    """Raise `RunError` if a file differs from the manifest; `check` is called before each file."""
    from pipeline.files.hashing import sha256_of

    stages = files.manifest()["stages"]
    for relative, sha256 in (pair for s in stages.values() for pair in s["files"].items()):
        check()
        path = files.path_of(relative)
        if not path.is_file() or sha256_of(path) != sha256:
            raise RunError(f"{path} is missing or differs from its hash in the manifest")
