"""The folders of runs: where they are, how rows store them, and whether their files are intact."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from studyapp.core.errors import RunError
from studyapp.models import Run
from studyapp.runs.services.configs import refusals

if TYPE_CHECKING:
    from pipeline.store.run_directory import RunDirectory


logger = logging.getLogger(__name__)

FETCHED_AT_ONCE = 8


def directory_of(*, run: Run) -> Path:
    """Return the run's directory as an absolute path."""
    return Path(settings.DATA) / run.directory


def run_directory(run: Run, fence: Callable[[], None] | None = None) -> RunDirectory:
    """Return the pipeline's object for the run's files.

    A job that writes gives its `fence`, which raises if another worker has taken it over.
    """
    return opened(directory_of(run=run), run.remote, fence)


def opened(path: Path, remote: str, fence: Callable[[], None] | None = None) -> RunDirectory:
    """Return the pipeline's object for the files of a run in a folder, or, with copies there, at
    the URL `remote`."""
    from pipeline.store.files import RemoteFiles
    from pipeline.store.remote import Remote
    from pipeline.store.run_directory import RunDirectory

    return RunDirectory(RemoteFiles(path, Remote(remote), fence) if remote else path)


def file_of(run: Run, relative: str) -> Path:
    """Return the path of a file of the run, which need not exist; copied here if it is in a store
    only."""
    path = directory_of(run=run) / relative
    if run.remote and not path.is_file():
        from pipeline.errors import PipelineError

        try:
            return run_directory(run).path_of(relative)
        except PipelineError as error:
            logger.warning("%s of run %s: %s", relative, run.name, error)
    return path


def fetch(files: RunDirectory, stage: str) -> None:
    """Copy the files of a finished stage here, so that no page waits for them."""
    listed = files.manifest()["stages"][stage]["files"]
    with ThreadPoolExecutor(FETCHED_AT_ONCE) as fetchers:
        list(fetchers.map(files.path_of, listed))


def new_remote(directory: str) -> str:
    """Return the URL for a new run's files, empty if they are not kept in a store.

    Raises `RunError` if `EARWITNESS_REMOTE` holds a password.
    """
    if not settings.REMOTE:
        return ""
    from pipeline.store.remote import Remote

    with refusals("EARWITNESS_REMOTE: "):
        return Remote(f"{settings.REMOTE.rstrip('/')}/{directory}").url


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
        raise RunError(f"{files} is not a finished run: {', '.join(missing)} not done")


def check_files(files: RunDirectory, check: Callable[[], None] = lambda: None) -> None:
    """Raise `RunError` if a file differs from the manifest; `check` is called before each file."""
    stages = files.manifest()["stages"]
    for relative, sha256 in (pair for s in stages.values() for pair in s["files"].items()):
        check()
        if files.files.sha256(relative) != sha256:
            raise RunError(
                f"{files}/{relative} is missing or differs from its hash in the manifest"
            )
