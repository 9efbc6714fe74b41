"""A labelled and graded run, made in pieces by a process of its own: `python -m … FOLDER`, sections
as JSON on the standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pipeline.pieces import close, make_piece, ready, unfinished
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


def in_pieces(folder: Path, sections: dict[str, Any]) -> None:
    """The same, each piece by an object of its own, as if by another worker, and the last first."""
    config, directory = make_run(folder, **sections)
    for kind in (labels.OfMethods, scores.OfScorers):
        while missing := unfinished(kind(config, directory), directory):
            for name in reversed(ready(kind(config, directory), missing)):
                make_piece(kind(config, directory), directory, name, lambda _: None)
        close(kind(config, directory), directory, progress=SilentProgress())


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    in_pieces(Path(sys.argv[1]), json.load(sys.stdin))
