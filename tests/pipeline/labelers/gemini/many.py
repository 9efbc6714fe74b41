"""A run with many features up to its exemplars, and its stage `labels` as a separate process.

`python -m tests.pipeline.labelers.gemini.many FOLDER` labels the run in FOLDER, which `make` made.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import RunConfig, config_from_dict
from pipeline.corpus.audio import flac_bytes
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.stages import labels
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ExemplarRecord, FeatureRecord, NeighbourRecord, TrackRecord
from pipeline.store.writers import StageWriter

SAE = "layer0-n8-k2"
CLIPS = 14
SECONDS = 0.1


def make(
    folder: Path,
    features: int,
    gemini: dict[str, Any],
    *,
    saes: tuple[str, ...] = (SAE,),
    **sections: Any,
) -> None:
    """A run with that many kept features per SAE, each with other three of `CLIPS` clips."""
    mapping = {
        "corpus": {"path": str(folder)},
        "subject": {"model": str(folder), "hookpoints": ["decoder.layers.0.resid_post"]},
        "labels": {"methods": ["gemini"]},
        "gemini": gemini,
        **sections,
    }
    (folder / "config.json").write_text(json.dumps(mapping))
    directory = RunDirectory(folder / "run")
    directory.begin({"config": config_from_dict(mapping).to_dict(), "key": "0" * 64})
    tracks = [_track(number) for number in range(CLIPS)]
    with directory.writer("corpus") as writer:
        writer.write_table("corpus.parquet", table_of(TrackRecord, tracks))
    with directory.writer("sae") as writer:
        writer.summary["saes"] = list(saes)
    with directory.writer("features") as writer:
        for sae in saes:
            rows = [_feature(sae, number) for number in range(features)]
            writer.write_table(f"features/{sae}.parquet", table_of(FeatureRecord, rows))
            near = table_of(NeighbourRecord, [])
            writer.write_table(f"features/{sae}.neighbours.parquet", near)
    with directory.writer("exemplars") as writer:
        chosen = itertools.combinations(range(CLIPS), 3)
        for sae in saes:
            _write_exemplars(writer, sae, list(itertools.islice(chosen, features)))


def _write_exemplars(writer: StageWriter, sae: str, chosen: list[tuple[int, ...]]) -> None:
    sounds = [flac_bytes(_sound(number), 32_000) for number in range(CLIPS)]
    names = [hashlib.sha256(data).hexdigest() for data in sounds]
    for name, data in zip(names, sounds, strict=True):
        writer.write_bytes(f"exemplars/{sae}/clips/{name}.flac", data)
    exemplars = [
        _exemplar(sae, feature, rank, clip, names[clip])
        for feature, clips in enumerate(chosen)
        for rank, clip in enumerate(clips, start=1)
    ]
    writer.write_table(f"exemplars/{sae}.parquet", table_of(ExemplarRecord, exemplars))


def opened(folder: Path) -> tuple[RunConfig, RunDirectory]:
    """Config and directory of the run in a folder."""
    config = config_from_dict(json.loads((folder / "config.json").read_text()))
    return config, RunDirectory(folder / "run")


def main(folder: Path) -> int:
    """Run the stage; returns 2 after one line if it is refused or not done."""
    config, directory = opened(folder)
    try:
        left = labels.run(config, directory, progress=SilentProgress())
    except PipelineError as error:
        left = str(error)
    sys.stderr.write(f"{left}\n" if left else "")
    return 2 if left else 0


def _track(number: int) -> TrackRecord:
    return TrackRecord(
        track=f"t{number}", path=f"t{number}.flac", sha256="", seconds=SECONDS, start_seconds=0.0,
        sample_rate=32_000, artist="", split="validation", tags=(), caption="", license="",
        status="ok", reason="",
    )  # fmt: skip


def _feature(sae: str, number: int) -> FeatureRecord:
    return FeatureRecord(
        feature=f"{sae}/{number}", sae=sae, hookpoint="decoder.layers.0.resid_post", index=number,
        rate=0.1, firing_tracks=10, mean_activation=0.1, max_activation=5.0, kept=True, reason="",
    )  # fmt: skip


def _sound(number: int) -> np.ndarray:
    generator = np.random.default_rng(number)
    return generator.normal(scale=0.1, size=(1, round(SECONDS * 32_000))).astype(np.float32)


def _exemplar(sae: str, feature: int, rank: int, clip: int, name: str) -> ExemplarRecord:
    return ExemplarRecord(
        feature=f"{sae}/{feature}", rank=rank, track=f"t{clip}", clip=name, mean_activation=1.0,
        max_activation=4.0, peak_seconds=0.0, start_seconds=0.0, seconds=SECONDS,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
