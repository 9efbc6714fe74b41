"""Where runs' files are: one folder a run, one way to write it, and whether its files are whole."""

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
    """The run's directory as an absolute path."""
    return Path(settings.DATA) / run.directory


def run_directory(run: Run) -> RunDirectory:
    """The pipeline's own object of the run's files."""
    from pipeline.store.run_directory import RunDirectory

    return RunDirectory(directory_of(run=run))


def new_directory() -> str:
    """Where a new run's files go: nobody can know it, and nothing is there."""
    directory = f"runs/{uuid.uuid4()}"
    if (settings.DATA / directory).exists():
        raise RunError(f"the folder {directory} is there already; try again")
    return directory


def stored(path: Path) -> str:
    """A directory as rows have it: one way to write each, so that none is there twice."""
    root = Path(settings.DATA).resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def rows_of(path: Path) -> list[Run]:
    """Every run whose files lie in the folder, however its row writes it."""
    rows, path = Run.objects.only("name", "directory"), path.resolve()
    return [run for run in rows if directory_of(run=run).resolve() == path]


def check_stages(files: RunDirectory) -> None:
    """Raise `RunError` if a stage is not done."""
    from pipeline.run import STAGES

    stages = files.manifest()["stages"]
    missing = [stage for stage in STAGES if stage not in stages]
    if missing:
        raise RunError(f"{files.path} is not a finished run: {', '.join(missing)} not done")


def check_files(files: RunDirectory, check: Callable[[], None] = lambda: None) -> None:
    """Raise `RunError` on a file that is not as the manifest says; `check` is called between."""
    from pipeline.files.hashing import sha256_of

    stages = files.manifest()["stages"]
    for relative, sha256 in (pair for s in stages.values() for pair in s["files"].items()):
        check()
        path = files.path_of(relative)
        if not path.is_file() or sha256_of(path) != sha256:
            raise RunError(f"{path} is missing or differs from its hash in the manifest")
