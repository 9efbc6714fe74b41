"""Stages whose work falls into pieces, each made once what it needs of the others is finished.

A finished piece is found again after any kill: its files lie where they belong, and its record in
`.unfinished/STAGE/` (`pipeline.store.writers`). The stage is done when it is closed, which gathers
the records and writes its entry in the manifest. On machines of one kind the files are the same, to
the byte, whoever made which piece, in whichever order and however many at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Protocol

from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.parallel import Advance, run_jobs
from pipeline.progress import Progress
from pipeline.store.run_directory import RunDirectory
from pipeline.store.writers import Piece, PieceWriter, StageWriter


class Pieces(Protocol):
    """The work of one stage of one run."""

    def __init__(self, config: RunConfig, directory: RunDirectory) -> None:
        """Read what the stage needs to know; heavy things are loaded when they are needed."""

    stage: str
    made_from: tuple[str, ...]
    """The stages that it reads; pieces made from other files of theirs do not count."""
    unit: str
    """What `sizes` counts, such as "track"."""
    at_once: int
    """How many pieces one process makes at once."""

    def sizes(self) -> Mapping[str, int]:
        """The size of each piece, by name, in order."""

    def needs(self, piece: str) -> Collection[str]:
        """The pieces of the stage that must be finished before this one is made."""

    def do(self, piece: str, writer: PieceWriter, advance: Advance) -> None:
        """Make one piece, and call `advance` until its size is reached. May be called from
        several threads."""

    def is_whole(self, piece: Piece) -> bool:
        """Whether nothing was missing that another attempt may find."""

    def close(self, pieces: Sequence[Piece], writer: StageWriter, progress: Progress) -> None:
        """Fill in the stage's summary, and write what needs all pieces; their own files are
        recorded already. Raises `PipelineError` if the pieces together are not enough."""


def make(work: Pieces, directory: RunDirectory, *, progress: Progress) -> None:
    """Make the pieces that are missing, then close the stage."""
    sizes, missing = work.sizes(), unfinished(work, directory)
    progress.start(work.stage, sum(sizes.values()), work.unit)
    progress.advance(sum(size for name, size in sizes.items() if name not in missing))
    while now := ready(work, missing):
        jobs = [partial(make_piece, work, directory, name) for name in now]
        run_jobs(jobs, work.at_once, progress)
        # Not looked up again: what was made and is not to be seen is noticed when all is closed.
        missing = {name: size for name, size in missing.items() if name not in now}
    progress.finish()
    close(work, directory, progress=progress)


def forget_incomplete(work: Pieces, directory: RunDirectory) -> None:
    """Have the pieces made again for which something was missing; for the start of an attempt."""
    scratch = directory.scratch(work.stage)
    for piece in scratch.pieces():
        if not work.is_whole(piece):
            scratch.drop(piece.name)


def unfinished(work: Pieces, directory: RunDirectory) -> dict[str, int]:
    """Name and size of the pieces that have no record yet, in order."""
    key = key_of(work, directory)
    return {
        name: size
        for name, size in work.sizes().items()
        if directory.finished_piece(work.stage, name, key=key) is None
    }


def ready(work: Pieces, missing: Mapping[str, int]) -> dict[str, int]:
    """Those of the missing pieces that need no other of them."""
    return {
        name: size for name, size in missing.items() if missing.keys().isdisjoint(work.needs(name))
    }


def is_finished(work: Pieces, directory: RunDirectory, name: str) -> bool:
    """Whether the piece has a record."""
    key = key_of(work, directory)
    return directory.finished_piece(work.stage, name, key=key) is not None


def make_piece(work: Pieces, directory: RunDirectory, name: str, advance: Advance) -> None:
    """Make one piece and write its record."""
    key = key_of(work, directory)
    with directory.piece_writer(work.stage, name, key=key) as writer:
        work.do(name, writer, advance)
        # Raises if the result is no longer wanted: nothing is recorded then.
        advance(0)


def close(work: Pieces, directory: RunDirectory, *, progress: Progress) -> None:
    """Write the stage's entry. Raises `PipelineError` if a piece is missing."""
    key, pieces = key_of(work, directory), []
    for name in work.sizes():
        found = directory.finished_piece(work.stage, name, key=key)
        if found is None:
            raise PipelineError(f"stage {work.stage}: its piece {name} is not finished")
        pieces.append(found)
    with directory.writer(work.stage) as writer:
        writer.take(pieces)
        work.close(pieces, writer, progress)
    directory.scratch(work.stage).clear()


def key_of(work: Pieces, directory: RunDirectory) -> str:
    """What a piece depends on: the run's config, subject and corpus, and the files it reads."""
    return f"{directory.description('key')['key']} on {directory.digest(*work.made_from)}"
