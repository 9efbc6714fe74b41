"""A labelled and graded run, made by a process of its own: `python -m … FOLDER`, sections as JSON
on the standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pipeline.progress import SilentProgress
from pipeline.stages import labels, scores
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.labelers.factory import make_run


def labelled_and_graded(folder: Path, sections: dict[str, Any]) -> RunDirectory:
    """A run up to its scores."""
    config, directory = make_run(folder, **sections)
    labels.run(config, directory, progress=SilentProgress())
    scores.run(config, directory, progress=SilentProgress())
    return directory


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    labelled_and_graded(Path(sys.argv[1]), json.load(sys.stdin))
