"""Where a checkpoint's files are: a folder here, or a folder of a repository on the model hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.files import hub


def folder_of(checkpoint: str, files: Sequence[str]) -> Path:
    """The local folder of a checkpoint; `OWNER/NAME` or `OWNER/NAME/FOLDER` is fetched from the
    hub, only those of `files` that it has.

    Raises `PipelineError` if there is no such folder, or the hub cannot be reached.
    """
    if Path(checkpoint).is_absolute():
        if not Path(checkpoint).is_dir():
            raise PipelineError(f"checkpoint {checkpoint} is not a folder on this machine")
        return Path(checkpoint)
    owner, _, rest = checkpoint.partition("/")
    name, _, inside = rest.strip("/").partition("/")
    inside = inside.lstrip("/")  # joined to a folder, "/etc" would be that of this machine
    if not owner or not name or ".." in inside.split("/"):
        raise PipelineError(
            f"checkpoint {checkpoint!r} is not a folder here, and on the model hub a name has the "
            "form OWNER/NAME or OWNER/NAME/FOLDER"
        )
    repository = f"{owner}/{name}"
    folder = hub.folder_of(
        repository,
        [f"{inside}/{file}".lstrip("/") for file in files],
        fault=f"checkpoint {repository} is not a folder here",
        advice="on a machine with a connection download it from "
        f"https://huggingface.co/{repository} and name its folder here",
    )
    return folder / inside
