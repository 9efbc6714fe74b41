"""What the corpus stage sets aside, and how it splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from pipeline.artifacts import RunDirectory
from pipeline.config import CorpusConfig, config_from_dict
from pipeline.corpora.base import CorpusEntry
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.records import TrackRecord, records_from
from pipeline.run import execute
from pipeline.stages.corpus import check, split_of, window

CONFIG = CorpusConfig(min_seconds=1.0)


def noise(seconds: float, seed: int = 0, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.1, size=(round(seconds * 8000), channels))


@pytest.fixture
def bad_corpus(tmp_path: Path, small_config: dict[str, Any]) -> dict[str, Any]:
    """Twenty plain tracks, five odd but usable ones, and one of each kind that is not."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(20):
        sf.write(folder / f"good{number:02d}.wav", noise(1.5, number), 8000)
    sf.write(folder / "eight-bit.wav", noise(1.5, 90), 8000, subtype="PCM_U8")
    sf.write(folder / "fast.wav", noise(18.0, 91), 96_000)
    sf.write(folder / "six.wav", noise(1.5, 92, channels=6), 8000)
    sf.write(folder / "long.wav", noise(30.0, 93), 8000)
    sf.write(folder / "good00-again.wav", noise(1.5, 0), 8000)
    sf.write(folder / "short.wav", noise(0.5), 8000)
    sf.write(folder / "silent.wav", np.zeros(12_000), 8000)
    sf.write(folder / "cut.wav", noise(1.5, 94), 8000)
    data = (folder / "cut.wav").read_bytes()
    (folder / "cut.wav").write_bytes(data[:9000])
    (folder / "empty.wav").touch()
    (folder / "mislabelled.mp3").write_text("a text")
    (folder / "wav-inside.ogg").write_bytes(data)
    return {**small_config, "corpus": {**small_config["corpus"], "path": str(folder)}}


def test_each_bad_file_is_set_aside_with_its_reason_and_the_run_goes_on(
    bad_corpus: dict[str, Any], tmp_path: Path
) -> None:
    directory = execute(
        config_from_dict(bad_corpus), tmp_path / "run", progress=SilentProgress(), until="corpus"
    )
    rows = records_from(TrackRecord, directory.read_table("corpus.parquet"))
    reasons = {row.track: row.reason for row in rows if row.status == "set_aside"}
    assert reasons.pop("mislabelled.mp3").startswith("cannot be decoded")
    assert reasons == {
        "cut.wav": "is truncated after 0.56 s",
        "empty.wav": "the file is empty",
        "good00.wav": "duplicate of good00-again.wav",
        "short.wav": "is shorter than 1 s",
        "silent.wav": "is silent: never over -60 dB",
    }
    usable = [row for row in rows if row.status == "ok"]
    odd = {"eight-bit.wav", "fast.wav", "six.wav", "long.wav", "wav-inside.ogg"}
    assert odd < {row.track for row in usable}
    assert all(row.split in ("train", "validation", "test") for row in usable)
    summary = directory.summary("corpus")
    assert sum(summary["usable"].values()) == len(usable) == 25
    assert sum(summary["set_aside"].values()) == len(rows) - len(usable) == 6


def test_a_corpus_with_nothing_usable_is_refused_with_the_reasons(
    small_config: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    sf.write(folder / "a.wav", np.zeros(12_000), 8000)
    config = config_from_dict({**small_config, "corpus": {"path": str(folder)}})
    with pytest.raises(PipelineError, match=r"no usable track in the split train, .* silent|short"):
        execute(config, tmp_path / "run", progress=SilentProgress())
    assert not RunDirectory(tmp_path / "run").is_done("corpus")


def test_a_file_that_is_not_the_listed_one_is_set_aside(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", noise(2.0), 8000)
    record = check(CorpusEntry(track="a", path="a.wav", sha256="0" * 64), tmp_path, CONFIG)
    assert record.reason == "differs from the SHA-256 that the corpus lists"


def test_a_long_track_is_cut_in_its_middle() -> None:
    assert window(30.0, 10.0) == (10.0, 10.0)
    assert window(8.0, 10.0) == (0.0, 8.0)


def test_tracks_of_one_artist_share_a_split(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", noise(2.0), 8000)
    splits = {
        check(CorpusEntry(track=f"t{n}", path="a.wav", artist="X"), tmp_path, CONFIG).split
        for n in range(20)
    }
    assert len(splits) == 1


@given(st.text(max_size=20))
def test_a_split_depends_on_the_name_and_the_salt_alone(name: str) -> None:
    assert split_of(name, CONFIG) == split_of(name, CorpusConfig(clip_seconds=3.0))


def test_splits_have_about_their_shares() -> None:
    counts = Counter(split_of(f"track {n}", CONFIG) for n in range(4000))
    assert abs(counts["train"] / 4000 - 0.5) < 0.03
    assert abs(counts["validation"] / 4000 - 0.25) < 0.03
