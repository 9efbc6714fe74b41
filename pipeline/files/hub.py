"""A folder of files from the model hub, in its own cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PipelineError


def folder_of(repository: str, files: Sequence[str], *, fault: str, advice: str) -> Path:
    """The local folder of a repository's `files`, glob patterns among them.

    Raises `PipelineError` if it cannot be had: `fault`, such as "subject model 'x' is not a folder
    here", what went wrong, and `advice`.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=list(files)))
    except (OSError, ValueError) as error:
        raise PipelineError(
            f"{fault} and could not be fetched from the model hub ({type(error).__name__}); "
            f"{advice}"
        ) from error
