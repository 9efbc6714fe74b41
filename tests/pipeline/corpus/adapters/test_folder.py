"""Corpus folders with and without a listing; the contract of every adapter."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.corpus.adapters import ADAPTERS
from pipeline.corpus.adapters.base import CorpusEntry, sorted_entries
from pipeline.corpus.adapters.folder import FolderCorpus
from pipeline.errors import PipelineError
from pipeline.registry import resolve


def listing(folder: Path, rows: list[dict[str, object]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), folder / "corpus.parquet")


def test_an_unknown_adapter_is_answered_with_the_known_ones() -> None:
    with pytest.raises(PipelineError, match="unknown corpus adapter 'tape'; known: folder"):
        resolve(ADAPTERS, "tape", "corpus adapter")


def test_a_listing_is_read_in_the_order_of_tracks(tmp_path: Path) -> None:
    listing(tmp_path, [{"track": "b", "path": "b.wav"}, {"track": "a", "path": "x/a.wav"}])
    assert [entry.path for entry in FolderCorpus.entries(tmp_path)] == ["x/a.wav", "b.wav"]


def test_without_a_listing_every_audio_file_is_a_track_named_by_its_path(tmp_path: Path) -> None:
    for name in ("b/two.FLAC", "one.wav", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [e.track for e in FolderCorpus.entries(tmp_path)] == ["b/two.FLAC", "one.wav"]
    assert FolderCorpus.concepts(tmp_path) is None


def test_a_folder_or_listing_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        PipelineError, match=r"has no corpus\.parquet, no corpus\.csv and no audio files"
    ):
        FolderCorpus.entries(tmp_path)
    listing(tmp_path, [{"track": "a", "file": "a.wav"}])
    with pytest.raises(PipelineError, match="lacks the column path; it has track, file"):
        FolderCorpus.entries(tmp_path)
    (tmp_path / "corpus.parquet").write_text("no")
    with pytest.raises(PipelineError, match="is not a Parquet table"):
        FolderCorpus.entries(tmp_path)


def test_the_second_of_two_tracks_of_one_name_is_set_aside(tmp_path: Path) -> None:
    listing(tmp_path, [{"track": "a", "path": "a.wav"}, {"track": "a", "path": "b.wav"}])
    first, second = FolderCorpus.entries(tmp_path)
    assert (first.track, first.path, first.reason) == ("a", "a.wav", "")
    assert (second.track, second.path) == ("a#again2", "b.wav")
    assert second.reason == "the corpus lists the track 'a' more than once"


def test_a_column_that_is_the_same_everywhere_is_told_apart_at_once() -> None:
    """In linear time: counting from 2 again for each row would take minutes."""
    rows = [CorpusEntry("a", f"{n:05d}.wav") for n in range(20_000)]
    started = time.monotonic()
    found = sorted_entries([*rows, CorpusEntry("a#again3", "x.wav")], Path("list"))
    assert time.monotonic() - started < 10
    names = {entry.path: entry.track for entry in found}
    assert (names["00000.wav"], names["00001.wav"], names["00002.wav"], names["x.wav"]) == (
        "a", "a#again2", "a#again4", "a#again3",
    )  # fmt: skip
    assert len(set(names.values())) == len(found) == 20_001


def test_a_name_that_looks_numbered_is_told_apart_too() -> None:
    rows = [CorpusEntry("a#again2", f"{n}.wav") for n in range(2)]
    found = sorted_entries(rows, Path("list"))
    assert [entry.track for entry in found] == ["a#again2", "a#again2#again2"]


def test_concepts_without_names_or_with_one_twice_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "concepts.json"
    path.write_text(json.dumps({"concepts": [{"label": "x"}]}))
    with pytest.raises(PipelineError, match="is not a list of named concepts"):
        FolderCorpus.concepts(tmp_path)
    path.write_text(json.dumps({"concepts": [{"name": "x"}, {"name": "x"}]}))
    with pytest.raises(PipelineError, match="names a concept twice"):
        FolderCorpus.concepts(tmp_path)


def test_the_fingerprint_follows_the_listing_and_the_concepts(tmp_path: Path) -> None:
    prints = []
    listing(tmp_path, [{"track": "a", "path": "a.wav"}])
    prints.append(FolderCorpus.fingerprint(tmp_path))
    (tmp_path / "concepts.json").write_text('{"concepts": []}')
    prints.append(FolderCorpus.fingerprint(tmp_path))
    listing(tmp_path, [{"track": "a", "path": "b.wav"}])
    prints.append(FolderCorpus.fingerprint(tmp_path))
    assert len(set(prints)) == 3
