"""Each adapter on a small corpus in the real format, through the stage that reads it."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from pipeline.config import CorpusConfig
from pipeline.corpus.adapters import ADAPTERS
from pipeline.corpus.adapters.base import Corpus, CorpusEntry
from pipeline.corpus.checks import check
from pipeline.corpus.splits import joined, split_of
from pipeline.errors import PipelineError
from pipeline.registry import resolve

RATE = 8000
CONFIG = CorpusConfig(min_seconds=0.5)


def sound(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, np.random.default_rng(seed).normal(scale=0.1, size=RATE), RATE)


def make_folder(folder: Path) -> None:
    sound(folder / "a/one.wav")
    with (folder / "corpus.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["track", "path", "artist", "tags", "license"])
        writer.writerow(["one", "a/one.wav", "Ann", "slow| piano ", "CC0"])


def make_jamendo(folder: Path) -> None:
    sound(folder / "audio/14/214.mp3")
    sound(folder / "audio/86/1286.low.mp3", 1)
    (folder / "data").mkdir()
    (folder / "data/autotagging.tsv").write_text(
        "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
        "track_0001286\tartist_000193\talbum_000198\t86/1286.mp3\t312.6\tgenre---electronic\t"
        "mood/theme---dark\n"
        "track_0000214\tartist_000014\talbum_000031\t14/214.mp3\t124.6\tgenre---punkrock\n"
        "track_0000215\tartist_000014\talbum_000031\t15/215.mp3\t151.4\tgenre---metal\n"
    )
    (folder / "data/raw.tsv").write_text("TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n")
    (folder / "audio_licenses.txt").write_text(
        "14/214.mp3\nProlog by Skaut from Jamendo: http://www.jamendo.com/track/214\n"
        "Available under a Creative Commons Attribution license: "
        "http://creativecommons.org/licenses/by/3.0/\n\n"
    )


def make_musiccaps(folder: Path) -> None:
    sound(folder / "wavs/[-0Gj8-vB1q4]-[30-40].wav")
    sound(folder / "wavs/-0SdAVK79lg.m4a.wav", 1)
    with (folder / "musiccaps-public.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["ytid", "start_s", "end_s", "audioset_positive_labels", "aspect_list",
                         "caption", "author_id", "is_balanced_subset",
                         "is_audioset_eval"])  # fmt: skip
        writer.writerow(["-0Gj8-vB1q4", 30, 40, "/m/0140xf", "['low quality', 'sustained strings']",
                         "The low quality recording, of a ballad", 4, "False", "True"])  # fmt: skip
        writer.writerow(["-0SdAVK79lg", 30, 40, "/m/0155w", "['guitar song']", "A song", 0,
                         "False", "False"])  # fmt: skip
        writer.writerow(["-0vPFx-wRRI", 30, 40, "/m/025_jnm", "[]", "Nobody fetched it", 0,
                         "False", "False"])  # fmt: skip


def make_musicbench(folder: Path) -> None:
    sound(folder / "datashare/data_aug2/-0SdAVK79lg_1.wav")
    sound(folder / "datashare/data/-0SdAVK79lg.wav", 1)
    rows = [
        {"dataset": "MusicBench", "location": "data_aug2/-0SdAVK79lg_1.wav",
         "main_caption": "A guitar song in G", "alt_caption": "A song", "prompt_bpm": "",
         "beats": [[0.57], [1.0]], "bpm": 92.3, "key": ["G", "major"]},
        {"dataset": "MusicBench", "location": "data/-0SdAVK79lg.wav", "main_caption": "A song"},
    ]  # fmt: skip
    (folder / "MusicBench_train.json").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (folder / "MusicBench_test_B.json").write_text(json.dumps(rows[1]) + "\n")


def make_webdataset(folder: Path) -> None:
    (folder / "train").mkdir()
    for shard in range(2):
        with tarfile.open(folder / f"train/{shard:05d}.tar", "w") as archive:
            for number in range(2):
                key = f"{shard}{number}" if number else f"-0SdAVK79l{shard}"
                stream = io.BytesIO()
                noise = np.random.default_rng(2 * shard + number).normal(scale=0.1, size=RATE)
                sf.write(stream, noise, RATE, format="FLAC")
                facts = {"text": [f"sound {key}"], "tag": ["calm", "piano"], "license": "CC BY"}
                add(archive, f"{key}.flac", stream.getvalue())
                add(archive, f"{key}.json", json.dumps(facts).encode())


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


MAKERS: dict[str, Callable[[Path], None]] = {
    "folder": make_folder,
    "mtg-jamendo": make_jamendo,
    "musiccaps": make_musiccaps,
    "musicbench": make_musicbench,
    "webdataset": make_webdataset,
}


def entries(name: str, folder: Path) -> dict[str, CorpusEntry]:
    MAKERS[name](folder)
    adapter: Corpus = resolve(ADAPTERS, name, "corpus adapter")
    return {entry.track: entry for entry in adapter.entries(folder)}


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_adapter_lists_a_corpus_in_its_true_format(name: str, tmp_path: Path) -> None:
    adapter: Corpus = resolve(ADAPTERS, name, "corpus adapter")
    with pytest.raises(PipelineError, match="corpus folder"):
        adapter.entries(tmp_path)
    found = entries(name, tmp_path)
    assert list(found) == sorted(found)
    assert adapter.fingerprint(tmp_path) == adapter.fingerprint(tmp_path)
    assert adapter.concepts(tmp_path) is None
    records = [check(entry, tmp_path, CONFIG)[0] for entry in found.values()]
    usable = [record for record in records if record.status == "ok"]
    assert usable
    assert all(record.seconds == pytest.approx(1.0, abs=0.15) for record in usable)
    assert {r.reason for r in records if r.status != "ok"} <= {"the file is missing"}


def test_a_csv_listing_gives_what_it_knows(tmp_path: Path) -> None:
    entry = entries("folder", tmp_path)["one"]
    assert entry == CorpusEntry("one", "a/one.wav", artist="Ann", tags=("slow", "piano"),
                                license="CC0")  # fmt: skip


def test_jamendo_has_artists_tags_licenses_and_either_download(tmp_path: Path) -> None:
    found = entries("mtg-jamendo", tmp_path)
    assert found["track_0001286"] == CorpusEntry(
        "track_0001286", "audio/86/1286.low.mp3", artist="artist_000193",
        tags=("electronic", "dark"), group="jamendo 1286",
    )  # fmt: skip
    assert found["track_0000214"].license.endswith("http://creativecommons.org/licenses/by/3.0/")
    (missing,) = check(found["track_0000215"], tmp_path, CONFIG)
    assert (missing.status, missing.reason) == ("set_aside", "the file is missing")


def test_musiccaps_clips_are_found_by_their_videos(tmp_path: Path) -> None:
    found = entries("musiccaps", tmp_path)
    first = found["-0Gj8-vB1q4-30"]
    assert first.path == "wavs/[-0Gj8-vB1q4]-[30-40].wav"
    assert first.tags == ("low quality", "sustained strings")
    assert first.caption == "The low quality recording, of a ballad"
    assert found["-0SdAVK79lg-30"].path == "wavs/-0SdAVK79lg.m4a.wav"
    assert found["-0vPFx-wRRI-30"].path == "-0vPFx-wRRI.wav"


def test_musicbench_copies_share_their_originals_split(tmp_path: Path) -> None:
    found = entries("musicbench", tmp_path)
    assert list(found) == ["data/-0SdAVK79lg.wav", "data_aug2/-0SdAVK79lg_1.wav"]
    copy = found["data_aug2/-0SdAVK79lg_1.wav"]
    assert copy.path == "datashare/data_aug2/-0SdAVK79lg_1.wav"
    assert (copy.caption, copy.license) == ("A guitar song in G", "CC BY-SA 3.0")
    assert {entry.group for entry in found.values()} == {"youtube -0SdAVK79lg"}


def test_shards_are_read_as_they_lie(tmp_path: Path) -> None:
    found = entries("webdataset", tmp_path)
    assert list(found) == [
        "train/00000/-0SdAVK79l0", "train/00000/01", "train/00001/-0SdAVK79l1", "train/00001/11",
    ]  # fmt: skip
    entry = found["train/00001/11"]
    assert entry == CorpusEntry(
        "train/00001/11", "train/00001.tar/11.flac", tags=("calm", "piano"), caption="sound 11",
        license="CC BY", group="sample 11",
    )  # fmt: skip
    assert found["train/00000/-0SdAVK79l0"].group == "youtube -0SdAVK79l0"
    (record,) = check(entry, tmp_path, CONFIG)
    assert record.sha256 != check(found["train/00000/01"], tmp_path, CONFIG)[0].sha256
    assert sorted(path.name for path in tmp_path.rglob("*.flac")) == []


def drawn_by(name: str, folder: Path) -> dict[str, str]:
    adapter: Corpus = resolve(ADAPTERS, name, "corpus adapter")
    return {entry.path: entry.split_by for entry in joined(adapter.entries(folder))}


def test_a_recording_whose_artist_stands_in_one_row_only_is_in_one_split(tmp_path: Path) -> None:
    facts: list[dict[str, str]] = [
        {"artist": "A", "track_id": "214"}, {"track_id": "214"}, {"artist": "A", "track_id": "9"},
        {"artist": "B", "ytid": "-0SdAVK79lg"}, {"ytid": "-0SdAVK79lg"},
        {"artist": "C", "album": "Best of", "track": "Intro"},
        {"artist": "D", "album": "Best of", "track": "Intro"},
    ]  # fmt: skip
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        for number, one in enumerate(facts):
            add(archive, f"{number}.flac", b"")
            add(archive, f"{number}.json", json.dumps(one).encode())
    found = drawn_by("webdataset", tmp_path)
    assert list(found.values()) == [f"artist {name}" for name in "AAABBCD"]


def test_a_jamendo_track_whose_artist_stands_in_one_row_only_is_in_one_split(
    tmp_path: Path,
) -> None:
    rows = [("track_0000214", "artist_7", "14/214.mp3"), ("track_0000214_1", "", "14/214_1.mp3")]
    header = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
    lines = "".join(f"{track}\t{artist}\talbum_1\t{path}\t9.0\n" for track, artist, path in rows)
    (tmp_path / "autotagging.tsv").write_text(header + lines)
    assert set(drawn_by("mtg-jamendo", tmp_path).values()) == {"artist artist_7"}


def test_a_resharded_corpus_keeps_its_splits(tmp_path: Path) -> None:
    found = entries("webdataset", tmp_path)
    (tmp_path / "train/00001.tar").rename(tmp_path / "train/00009.tar")
    adapter: Corpus = resolve(ADAPTERS, "webdataset", "corpus adapter")
    again = {e.track: e for e in adapter.entries(tmp_path)}
    assert again["train/00009/11"].group == found["train/00001/11"].group
    assert split_of(again["train/00009/11"].group, CONFIG) == split_of("sample 11", CONFIG)


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        ("mtg-jamendo", "data/autotagging.tsv", "\t".join(("TRACK_ID", "ARTIST_ID", "ALBUM_ID",
         "PATH", "DURATION")) + "\nt\ta\n", "line 2 of the list has 2 columns"),
        ("musiccaps", "musiccaps-public.csv", "ytid,start_s,end_s,aspect_list,caption\n"
         "x,1,2,[broken,c\n", "is not a list"),
        ("musicbench", "MusicBench_*.json", '{"main_caption": "x"}\n', "has no location"),
        ("musicbench", "MusicBench_*.json", "{\n", "is not JSON"),
        ("musicbench", "MusicBench_train.json", "[{]", "is not JSON"),
        ("webdataset", "train/*.tar", "no tar", "is not a tar shard"),
    ],
)  # fmt: skip
def test_a_list_of_which_nothing_can_be_read_is_refused_in_one_line(
    name: str, file: str, content: str, message: str, tmp_path: Path
) -> None:
    MAKERS[name](tmp_path)
    for path in sorted(tmp_path.glob(file)):
        path.write_text(content)
    adapter: Corpus = resolve(ADAPTERS, name, "corpus adapter")
    with pytest.raises(PipelineError, match=message) as caught:
        adapter.entries(tmp_path)
    assert "\n" not in str(caught.value)
