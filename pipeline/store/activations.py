"""The files under `activations/`: shards of [track, frame, d] float16, with their metadata.

All tracks of a shard have the same number of frames, so that one array holds them. The metadata of
every file give the subject's fingerprint, the hookpoint and the delay mapping, so that no file can
be mistaken for another's. A run that does not store activations (`run --online`) has the list
`PLAN` in their place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import NoActivationsError
from pipeline.store.run_directory import RunDirectory

if TYPE_CHECKING:
    import numpy as np


PLAN = "activations/shards.json"
"""Which tracks are in which shard, in a run that does not store activations."""
SHARD = re.compile(r"activations/([^/]+)/(\d{5,})\.safetensors")


@dataclass(frozen=True)
class ShardFacts:
    """The metadata of an activation file."""

    tracks: tuple[str, ...]
    subject_fingerprint: str
    hookpoint: str
    delay_mapping: str
    frame_rate: float
    """Frames per second."""
    first_frame: int
    """Audio frame of the first row; earlier frames are left out, since their inputs included the
    delay pattern's special tokens."""
    padded: bool = False
    """Whether the last frame of some of the tracks was filled with silence."""

    def to_metadata(self) -> dict[str, str]:
        """The facts as safetensors metadata, which map text to text."""
        # Stated only where it is so: files of whole frames are those of earlier versions.
        padded = {"padded": "true"} if self.padded else {}
        return padded | {
            "tracks": json.dumps(self.tracks),
            "subject_fingerprint": self.subject_fingerprint,
            "hookpoint": self.hookpoint,
            "delay_mapping": self.delay_mapping,
            "frame_rate": repr(self.frame_rate),
            "first_frame": str(self.first_frame),
        }

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> ShardFacts:
        """The inverse of `to_metadata`."""
        return cls(
            tracks=tuple(json.loads(metadata["tracks"])),
            subject_fingerprint=metadata["subject_fingerprint"],
            hookpoint=metadata["hookpoint"],
            delay_mapping=metadata["delay_mapping"],
            frame_rate=float(metadata["frame_rate"]),
            first_frame=int(metadata["first_frame"]),
            padded=metadata.get("padded") == "true",
        )


def shard_path(hookpoint: str, number: int) -> str:
    """Path of shard `number` of a hookpoint, relative to the run directory."""
    return f"activations/{hookpoint}/{number:05d}.safetensors"


def named_in(relative: str) -> tuple[str, str] | None:
    """Hookpoint and number of the shard that a path names; None for any other path."""
    found = SHARD.fullmatch(relative)
    return None if found is None else (found[1], found[2])


def number_of(path: str) -> int:
    """The number of a shard. Numbers may be missing: of shards none of whose tracks was read."""
    return int(path.rpartition("/")[2].partition(".")[0])


def planned(directory: RunDirectory) -> dict[str, dict[str, str]] | None:
    """The metadata, but for the hookpoint, of each shard of a run that does not store activations;
    None if it stores them, or has none yet."""
    if PLAN not in directory.manifest()["stages"].get("activations", {}).get("files", {}):
        return None
    found: dict[str, dict[str, str]] = directory.read_json(PLAN)
    return found


def shard_paths(directory: RunDirectory, hookpoint: str) -> list[str]:
    """The shards of a hookpoint, in order: those that the manifest lists, or those that are
    computed when they are read.

    Raises `PipelineError` if the run does not store them and they cannot be computed here.
    """
    files = directory.manifest()["stages"]["activations"]["files"]
    if PLAN in files:
        if directory.computed is None:
            raise NoActivationsError(
                f"the activations of {directory} are not stored: continue the run with "
                "--online; other commands cannot read them"
            )
        return [shard_path(hookpoint, int(number)) for number in sorted(planned(directory) or {})]
    return sorted(name for name in files if name.startswith(f"activations/{hookpoint}/"))


def read_shards(directory: RunDirectory, hookpoint: str) -> Iterator[tuple[ShardFacts, np.ndarray]]:
    """Each shard's metadata and activations [track, frame, d] float16, one shard at a time."""
    for path in shard_paths(directory, hookpoint):
        tensors, metadata = directory.read_tensors(path)
        yield ShardFacts.from_metadata(metadata), tensors["activations"]
