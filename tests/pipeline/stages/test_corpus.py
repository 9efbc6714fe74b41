"""Which tracks the stage `corpus` sets aside, and how it splits the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import CorpusConfig, config_from_dict
from pipeline.corpus.adapters.base import CorpusEntry
from pipeline.corpus.checks import check, windows
from pipeline.corpus.splits import split_of
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.run import execute
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import TrackRecord

CONFIG = CorpusConfig(min_seconds=1.0)


def noise(seconds: float, seed: int = 0, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.1, size=(round(seconds * 8000), channels))


@pytest.fixture
def bad_corpus(tmp_path: Path, small_config: dict[str, Any]) -> dict[str, Any]:
    """Twenty ordinary tracks, five unusual but usable ones, and one of each unusable kind."""
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
    (record,) = check(CorpusEntry(track="a", path="a.wav", sha256="0" * 64), tmp_path, CONFIG)
    assert record.reason == "differs from the SHA-256 that the corpus lists"


def test_a_long_track_is_cut_in_its_middle() -> None:
    assert windows(30.0, CONFIG) == [(10.0, 10.0)]
    assert windows(8.0, CONFIG) == [(0.0, 8.0)]


def test_windows_are_spread_evenly_and_never_overlap() -> None:
    assert windows(36.0, replace(CONFIG, windows=0)) == [(1.0, 10.0), (13.0, 10.0), (25.0, 10.0)]
    assert windows(40.0, replace(CONFIG, windows=2)) == [(5.0, 10.0), (25.0, 10.0)]
    assert windows(12.0, replace(CONFIG, windows=5)) == [(1.0, 10.0)]


def test_every_window_is_a_track_of_its_artists_split_and_is_measured(tmp_path: Path) -> None:
    sound = noise(3.0)
    sound[8000:16000] = 0
    sf.write(tmp_path / "a.wav", sound, 8000)
    config = replace(CONFIG, windows=0, clip_seconds=1.0)
    records = check(CorpusEntry(track="a", path="a.wav", artist="X"), tmp_path, config)
    assert [record.track for record in records] == ["a@0.00", "a@1.00", "a@2.00"]
    assert [record.status for record in records] == ["ok", "set_aside", "ok"]
    assert len({record.split for record in records if record.status == "ok"}) == 1
    loud = records[0]
    assert loud.loudness_lufs == pytest.approx(-20, abs=3)
    assert loud.peak == pytest.approx(float(np.abs(sound[:8000]).max()), abs=1e-4)
    assert (loud.clipped_share, records[1].loudness_lufs) == (0, None)


def test_samples_at_full_scale_are_counted(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", np.clip(20 * noise(2.0), -1, 1), 8000)
    (record,) = check(CorpusEntry(track="a", path="a.wav"), tmp_path, CONFIG)
    assert record.status == "ok"
    assert record.clipped_share is not None
    assert 0.4 < record.clipped_share < 0.8


def test_copies_of_a_recording_share_a_split(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", noise(2.0), 8000)
    entries = [CorpusEntry(track=f"t{n}", path="a.wav", group="youtube X") for n in range(20)]
    assert len({check(entry, tmp_path, CONFIG)[0].split for entry in entries}) == 1


def test_a_growing_corpus_moves_no_track(tmp_path: Path) -> None:
    names = [f"t{n}" for n in range(30)]
    for n, name in enumerate(names):
        sf.write(tmp_path / f"{name}.wav", noise(1.5, n), 8000)
    few = {name: check(CorpusEntry(name, f"{name}.wav"), tmp_path, CONFIG) for name in names[::3]}
    many = {name: check(CorpusEntry(name, f"{name}.wav"), tmp_path, CONFIG) for name in names}
    assert all(many[name] == few[name] for name in few)


def test_tracks_of_one_artist_share_a_split(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", noise(2.0), 8000)
    splits = {
        check(CorpusEntry(track=f"t{n}", path="a.wav", artist="X"), tmp_path, CONFIG)[0].split
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


def test_a_confined_corpus_has_no_recording_from_outside_its_folder(
    bad_corpus: dict[str, Any], tmp_path: Path
) -> None:
    folder, outside = tmp_path / "corpus", tmp_path / "outside.wav"
    sf.write(outside, noise(1.5, 99), 8000)
    (folder / "linked.wav").symlink_to(outside)
    (folder / "within.wav").symlink_to(folder / "good01.wav")
    (folder / "round.wav").symlink_to(folder / "round.wav")
    names = [f"good{number:02d}.wav" for number in range(20)]
    odd = ["../outside.wav", str(outside), "linked.wav", "within.wav", "round.wav"]
    rows = [f"{name},{name}" for name in names] + [f"odd{n},{path}" for n, path in enumerate(odd)]
    (folder / "corpus.csv").write_text("\n".join(["track,path", *rows]) + "\n")
    found = {}
    for confined in (False, True):
        config = {**bad_corpus, "machine": {"confined": confined}}
        out = tmp_path / f"run-{confined}"
        directory = execute(
            config_from_dict(config), out, progress=SilentProgress(), until="corpus"
        )
        records = records_from(TrackRecord, directory.read_table("corpus.parquet"))
        found[confined] = {record.track: record for record in records}
    aside = {name: record.reason for name, record in found[True].items() if record.reason}
    assert aside == {
        **dict.fromkeys(["odd0", "odd1", "odd2", "odd4"], "lies outside the corpus folder"),
        "odd3": "duplicate of good01.wav",
    }
    assert found[False]["odd0"].status == "ok"
    assert all(not found[True][f"odd{n}"].sha256 for n in (0, 1, 2))
