"""An unusable item of a corpus is set aside with its reason; nothing is lost silently."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import tarfile
import unicodedata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from pipeline.config import CorpusConfig
from pipeline.corpus.adapters import ADAPTERS
from pipeline.corpus.adapters.base import read_concepts, tags_of
from pipeline.corpus.audio_source import sha256_of_sound
from pipeline.corpus.checks import check, set_duplicates_aside, stated_hash
from pipeline.corpus.reasons import by_kind
from pipeline.corpus.splits import joined
from pipeline.errors import PipelineError
from pipeline.registry import resolve
from pipeline.store.tables import TrackRecord
from tests.pipeline.corpus.adapters.test_adapters import add, sound

RATE = 8000
CONFIG = CorpusConfig(min_seconds=0.5)


def records_of(name: str, folder: Path) -> dict[str, TrackRecord]:
    """The stage's records for a corpus folder."""
    adapter: Any = resolve(ADAPTERS, name, "corpus adapter")
    adapter.fingerprint(folder)
    entries = joined(adapter.entries(folder))
    checked = [record for entry in entries for record in check(entry, folder, CONFIG)]
    return {record.track: record for record in set_duplicates_aside(checked)}


def reasons_of(name: str, folder: Path) -> dict[str, str]:
    return {track: record.reason for track, record in records_of(name, folder).items()}


def noise(seed: int) -> bytes:
    stream = io.BytesIO()
    sf.write(stream, np.random.default_rng(seed).normal(scale=0.1, size=RATE), RATE, format="FLAC")
    return stream.getvalue()


def shard(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            add(archive, name, data)


def test_what_only_looks_like_a_sound_is_set_aside(tmp_path: Path) -> None:
    sound(tmp_path / "good.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "nowhere.wav").symlink_to(tmp_path / "gone.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "empty.flac").touch()
    (tmp_path / "elsewhere").symlink_to(tmp_path.parent)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/mod\xe0.wav")).write_bytes(b"x")
    assert reasons_of("folder", tmp_path) == {
        "good.wav": "",
        "folder.wav": "is a folder, not a file",
        "nowhere.wav": "is a link to a file that is missing",
        "pipe.wav": "is not a regular file",
        "empty.flac": "the file is empty",
        "elsewhere": "is a link to a folder: links to folders are not followed",
        "mod\\xe0.wav": "its file name is not UTF-8: rename it",
    }


def test_odd_rows_of_a_table_are_set_aside(tmp_path: Path) -> None:
    for n in range(4):
        sound(tmp_path / f"{n}.wav", n)
    rows = [
        {"track": "a", "path": "0.wav", "tags": "rock|slow piano", "year": 1.0},
        {"track": "b", "path": "1.wav", "tags": "['calm', 'low']", "year": float("nan")},
        {"track": "c", "path": "2.wav", "tags": "['calm' 'low']", "year": None},
        {"track": None, "path": "3.wav", "tags": "", "year": 2.0},
        {"track": "e", "path": None, "tags": None, "year": 2.0},
        {"track": "f", "path": "x" * 5000 + ".wav", "tags": "", "year": 2.0},
        {"track": "g", "path": "nul\0.wav", "tags": "", "year": 2.0},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "corpus.parquet")
    found = records_of("folder", tmp_path)
    assert found["a"].tags == ("rock", "slow piano")
    assert found["b"].tags == ("calm", "low")
    assert {track: record.reason for track, record in found.items() if record.reason} == {
        "c": """its tags are "['calm' 'low']", which is not a list""",
        "row 4": "its track is None, which is not a name",
        "e": "its path is None, which is not a name",
        "f": "cannot be accessed: File name too long",
        "g": "the file is missing",
    }


def test_numbers_and_lists_stand_where_texts_are_expected(tmp_path: Path) -> None:
    sound(tmp_path / "0.wav")
    table = pa.table({"track": [7], "path": ["0.wav"], "artist": [12.0], "tags": [[1, 2]]})
    pq.write_table(table, tmp_path / "corpus.parquet")
    record = records_of("folder", tmp_path)["7"]
    assert (record.status, record.artist, record.tags) == ("ok", "12", ("1", "2"))


def test_rows_too_short_and_too_long_are_set_aside(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "corpus.csv").write_text("track,path,tags\na,a.wav,x\nb\nc,c.wav,one,two\n")
    assert reasons_of("folder", tmp_path) == {
        "a": "",
        "b": "has 1 cells where the header has 3",
        "c": "has 4 cells where the header has 3",
    }


@pytest.mark.parametrize(
    "spelling",
    [
        "{}", " {} \n", "SHA256:{}", "{}".upper(), "SHA-256: {}", "sha256={}", "0x{}", '"{}"',
        "\ufeff{}", "{}  a.wav", "{} *a.wav", "SHA256 (a.wav) = {}",
    ],
)  # fmt: skip
def test_a_hash_is_the_same_in_every_spelling(tmp_path: Path, spelling: str) -> None:
    sound(tmp_path / "a.wav")
    digest = sha256_of_sound(tmp_path / "a.wav")
    assert stated_hash(spelling.format(digest.upper())) == (digest, "")
    pairs = "-".join(digest[n : n + 2] for n in range(0, 64, 2))
    assert stated_hash(pairs.upper()) == (digest, "")
    coded = base64.b64encode(bytes.fromhex(digest)).decode()
    assert stated_hash(coded) == stated_hash(f"sha256-{coded}") == (digest, "")
    assert stated_hash("None") == stated_hash("nan") == ("", "")


def test_a_listed_hash_that_is_none_is_said(tmp_path: Path) -> None:
    for n in range(2):
        sound(tmp_path / f"{n}.wav", n)
    (tmp_path / "corpus.csv").write_text(f"track,path,sha256\n0,0.wav,{'a' * 32}\n1,1.wav,\n")
    found = reasons_of("folder", tmp_path)
    assert found["0"].endswith("has 32 characters, as of an MD5, not 64 hexadecimal digits")
    assert found["1"] == ""


@pytest.mark.parametrize(
    ("given", "tags"),
    [
        ("rock|slow piano", ("rock", "slow piano")), ("rock", ("rock",)), ("", ()), (None, ()),
        (float("nan"), ()), (7, ("7",)), (["a", None, 3, ["b"]], ("a", "3", "b")),
        ("['a', 'b|c']", ("a", "b|c")), ('["a", null]', ("a",)), (b"a|b", ("a", "b")),
    ],
)  # fmt: skip
def test_tags_are_read_from_whatever_holds_them(given: Any, tags: tuple[str, ...]) -> None:
    assert tags_of(given) == tags


@pytest.mark.parametrize("given", [{"genre": "rock"}, [{"name": "x"}], "['a' 'b']", "[broken"])
def test_tags_that_are_none_are_refused(given: Any) -> None:
    if given == "[broken":
        assert tags_of(given) == ("[broken",)
        return
    with pytest.raises(ValueError, match="which is no"):
        tags_of(given)


def test_odd_samples_of_a_shard_are_set_aside(tmp_path: Path) -> None:
    facts = {
        "good": {"tags": "calm, low"}, "number": {"tag": 7}, "nested": {"tags": {"genre": ["x"]}},
        "caption": {"caption": {"text": "x"}}, "list": ["x"], "half": {"caption": "a\ud800"},
        "nothing": None,
    }  # fmt: skip
    members = {f"{key}.flac": noise(n) for n, key in enumerate(facts)}
    members |= {f"{key}.json": json.dumps(value).encode() for key, value in facts.items()}
    members |= {"deep.flac": noise(90), "deep.json": b"[" * 100_000,
                "latin.flac": noise(91), "latin.txt": "café".encode("latin-1"),
                "mark.flac": noise(92), "mark.txt": b"\xef\xbb\xbfA song"}  # fmt: skip
    shard(tmp_path / "0.tar", members)
    found = records_of("webdataset", tmp_path)
    assert {track: record.reason for track, record in found.items() if record.reason} == {
        "0/nested": "its tags is {'genre': ['x']}, which is not text",
        "0/caption": "its caption is {'text': 'x'}, which is not text",
        "0/deep": "its deep.json is not JSON: it is nested too deeply",
        "0/latin": found["0/latin"].reason,
    }
    assert "its latin.txt is not UTF-8: byte 0xE9 at position 3" in found["0/latin"].reason
    assert found["0/good"].tags == ("calm", "low")
    assert found["0/number"].tags == ("7",)
    assert found["0/mark"].caption == "A song"
    assert found["0/half"].caption == "a\ufffd"


def test_what_a_shard_holds_and_cannot_be_used_is_listed(tmp_path: Path) -> None:
    members = {
        "./a.wav": noise(0), "./a.json": b'{"caption": "A"}', "b.json": b"{}",
        "Track 2.0 (Clean).flac": noise(1), "Track 2.0 (Clean).json": b'{"caption": "C"}',
        "Track 2.0 (Live).json": b"{}", "d.mix.flac": noise(2), "d.json": b'{"caption": "D"}',
        "d.notes.txt": b"no sample of its own", "README.md": b"x",
    }  # fmt: skip
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        for name, data in members.items():
            add(archive, name, data)
        for name, kind, target in (
            ("hard.flac", tarfile.LNKTYPE, "./d.mix.flac"),
            ("dead.flac", tarfile.SYMTYPE, "gone.flac"),
            ("folder.flac", tarfile.DIRTYPE, ""),
            ("pipe.flac", tarfile.FIFOTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    (tmp_path / "1.tar.gz").write_bytes(b"x")
    (tmp_path / "2.tar").write_bytes(b"no tar at all")
    found = records_of("webdataset", tmp_path)
    assert {track: record.reason for track, record in found.items()} == {
        "0/a": "", "0/Track 2.0 (Clean)": "", "0/d.mix": "",
        "0/hard": "duplicate of 0/d.mix",
        "0/b": "the sample has no sound, only .json",
        "0/Track 2.0 (Live)": "the sample has no sound, only .json",
        "0/README": "the sample has no sound, only .md",
        "0/dead.flac": "is a link to gone.flac, which the shard does not hold",
        "0/folder.flac": "is a folder, not a file",
        "0/pipe.flac": "is not a regular file",
        "1.tar.gz": "is compressed: unpack it to a plain .tar",
        "2.tar": "is not a tar shard: truncated header",
    }  # fmt: skip
    captions = {track: found[track].caption for track in ("0/a", "0/Track 2.0 (Clean)", "0/d.mix")}
    assert captions == {"0/a": "A", "0/Track 2.0 (Clean)": "C", "0/d.mix": "D"}


def test_a_shard_that_is_cut_gives_what_it_has(tmp_path: Path) -> None:
    shard(tmp_path / "0.tar", {"a.flac": noise(0), "b.flac": noise(1)})
    data = (tmp_path / "0.tar").read_bytes()
    whole = len(noise(0))
    (tmp_path / "0.tar").write_bytes(data[: 1024 + whole + 2000])
    found = reasons_of("webdataset", tmp_path)
    assert found["0/a"] == ""
    assert found["0/b.flac"] == "is truncated, as is its shard"
    assert found["0.tar"].startswith("the shard is damaged or truncated")
    (tmp_path / "0.tar").write_bytes(data.rstrip(b"\0") + b"\0" * 600 + data)
    assert "continues after its end mark" in reasons_of("webdataset", tmp_path)["0.tar"] or (
        "is damaged" in reasons_of("webdataset", tmp_path)["0.tar"]
    )


def test_clips_of_one_artist_album_or_recording_share_a_split(tmp_path: Path) -> None:
    facts: dict[str, dict[str, Any]] = {}
    for n in range(12):
        facts[f"x{n}"] = {"artist": "Ann"}
        facts[f"y{n}"] = {"album_id": 31}
        facts[f"z{n}"] = {"track_id": "track_0000214"}
        facts[f"track_0000214_{n}"] = {}
        facts[f"-0Gj8-vB1q4_{n}"] = {}
        facts[f"mtg_jamendo_{n:06d}"] = {}
        facts[f"audio_track_{n}"] = {}
    members = {f"{key}.json": json.dumps(value).encode() for key, value in facts.items()}
    members |= {f"{key}.flac": noise(n) for n, key in enumerate(facts)}
    shard(tmp_path / "0.tar", members)
    found = records_of("webdataset", tmp_path)

    def splits(prefix: str) -> set[str]:
        return {record.split for track, record in found.items() if track.startswith(f"0/{prefix}")}

    for prefix in ("x", "y", "z", "-0Gj8-vB1q4"):
        assert len(splits(prefix)) == 1
    assert splits("z") == splits("track_0000214")
    # Names that only look like one video's are spread as any others.
    assert splits("mtg_jamendo") == splits("audio_track") == {"train", "validation", "test"}


def test_a_recording_under_two_artists_is_in_one_split(tmp_path: Path) -> None:
    rows = [["track", "path", "artist", "group"]]
    for n in range(12):
        sound(tmp_path / f"{n}.wav", n)
        rows.append([str(n), f"{n}.wav", f"artist {n}" if n % 2 else "", "one recording"])
    with (tmp_path / "corpus.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    assert len({record.split for record in records_of("folder", tmp_path).values()}) == 1


def musiccaps(folder: Path, rows: list[list[Any]], files: list[str]) -> dict[str, TrackRecord]:
    for n, name in enumerate(files):
        sound(folder / name, n)
    with (folder / "musiccaps-public.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["ytid", "start_s", "end_s", "aspect_list", "caption"])
        writer.writerows(rows)
    return records_of("musiccaps", folder)


@pytest.mark.parametrize(
    "form",
    ["{v}_{a}-{b}.wav", "{v}_{a}.wav", "[{v}]-[{a}-{b}].wav", "{v}-[{a}-{b}].wav",
     "{v}_{a}000_{b}000.wav", "Y{v}_{a}.000_{b}.000.wav", "{v}_{a}_{b}.m4a.wav", "{v}-{a}.wav",
     "{v}_t{a}.wav", "{v}_{a}s-{b}s.wav", "A title [{v}]-[{a}-{b}].wav"],
)  # fmt: skip
def test_a_clip_is_matched_by_whole_numbers_in_every_form(tmp_path: Path, form: str) -> None:
    video, starts = "-0Gj8-vB1q4", (3, 30, 130, 300)
    rows = [[video, start, start + 10, "['x']", f"from {start}"] for start in starts]
    files = {start: form.format(v=video, a=start, b=start + 10) for start in starts}
    found = musiccaps(tmp_path, rows, list(files.values()))
    for start in starts:
        record = found[f"{video}-{start}"]
        assert (record.path, record.status) == (files[start], "ok"), record.reason


def test_rows_of_musiccaps_that_cannot_be_used_are_set_aside(tmp_path: Path) -> None:
    rows = [
        ["-0Gj8-vB1q4", 30, 40, "['calm']", "x"], ["-0Gj8-vB1q4", 130, 140, "['calm']", "x"],
        ["dQw4w9WgXcQ", 30, 40, "[broken", "x"], ["_0-fTxXE2Ks", "NaN", 40, "[]", "x"],
        ["zzzzz_0yAhk", 30, 40, "[]", "x"], ["short"],
    ]  # fmt: skip
    files = ["-0Gj8-vB1q4.wav", "zzzzz_0yAhk_130-140.wav"]
    assert {t: r.reason for t, r in musiccaps(tmp_path, rows, files).items()} == {
        "-0Gj8-vB1q4-30": "-0Gj8-vB1q4.wav does not say which of 2 excerpts of its video it is",
        "-0Gj8-vB1q4-130": "-0Gj8-vB1q4.wav does not say which of 2 excerpts of its video it is",
        "dQw4w9WgXcQ-30": "its aspect_list is '[broken', which is not a list",
        "_0-fTxXE2Ks-NaN": "its start_s is 'NaN', which is not a number of seconds",
        "zzzzz_0yAhk-30": "the file is missing",
        "short-": "has 1 cells where the header has 5",
    }  # fmt: skip


def test_odd_lines_of_musicbench_are_set_aside(tmp_path: Path) -> None:
    sound(tmp_path / "data/a.wav")
    sound(tmp_path / "data/a_2.wav", 1)
    lines = [
        '{"location": "data/a.wav", "main_caption": "one \u2028 two"}', "{broken",
        '{"location": 7}', '{"location": "data/a_2.wav", "main_caption": ["x", 1]}', "null",
    ]  # fmt: skip
    (tmp_path / "MusicBench_train.json").write_text(
        "\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8"
    )
    found = records_of("musicbench", tmp_path)
    assert found["data/a.wav"].caption == "one \u2028 two"
    assert found["data/a.wav"].group == "recording a"
    assert found["MusicBench_train.json line 2"].reason.startswith("its line is not JSON")
    assert found["data/a_2.wav"].reason == "its main_caption is ['x', 1], which is not text"
    assert sum(record.status == "ok" for record in found.values()) == 1


def test_a_corpus_of_which_nothing_can_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.csv").write_text("track,path\n,\n,\n")
    with pytest.raises(PipelineError, match=r"lists no recording that can be used \(2 cannot\)"):
        records_of("folder", tmp_path)


def test_reasons_are_counted_by_their_kind() -> None:
    reasons = ["its track is '7', no", "its track is '8', no", "is truncated after 1.50 s",
               "is truncated after 2.00 s", "the file is missing", "the file is missing",
               "duplicate of a", "duplicate of b 2"]  # fmt: skip
    assert by_kind(reasons) == {
        "duplicate": 2,
        "is truncated after 1.50 s (or the like)": 2,
        "its track is '7', no (or the like)": 2,
        "the file is missing": 2,
    }


def test_columns_that_are_not_read_and_names_that_are_numbers_end_no_run(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    sound(tmp_path / "b.wav")
    digests = [bytes.fromhex(sha256_of_sound(tmp_path / "a.wav")), None]
    columns = {
        "track": pa.array([7.0, None]), "path": ["a.wav", "b.wav"], "sha256": digests,
        "seen": pa.array([2**62, 3], type=pa.timestamp("us")),
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "corpus.parquet")
    assert reasons_of("folder", tmp_path) == {
        "7": "",
        "row 2": "its track is None, which is not a name",
    }


def test_no_value_is_no_tag_and_an_object_is_no_list() -> None:
    assert tags_of("None") == tags_of("null") == tags_of("nan") == ()
    with pytest.raises(ValueError, match="is not a list"):
        tags_of('{"genre": ["rock"]}')


def test_quoted_and_empty_tags_of_jamendo(tmp_path: Path) -> None:
    sound(tmp_path / "14" / "214.wav")
    row = [
        "track_0000214",
        "artist_1",
        "album_1",
        "14/214.wav",
        "9",
        '"genre---rock"',
        "genre---",
        " ",
    ]
    head = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
    (tmp_path / "autotagging.tsv").write_text("\n".join("\t".join(r) for r in (head, row)))
    assert records_of("mtg-jamendo", tmp_path)["track_0000214"].tags == ("rock",)


def test_musiccaps_beside_or_as_a_csv_of_an_old_mac(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_bytes(b"a,b\rc,d\r")
    sound(tmp_path / "--7UQ1LMBWc.wav")
    head = "ytid,start_s,end_s,aspect_list,caption"
    row = "--7UQ1LMBWc,30,40,\"['calm', None]\",slow"
    (tmp_path / "m.csv").write_bytes(f"{head}\r{row}\r".encode())
    assert records_of("musiccaps", tmp_path)["--7UQ1LMBWc-30"].tags == ("calm",)


def test_facts_named_after_the_whole_sound_or_in_mixed_case_are_found(tmp_path: Path) -> None:
    facts = json.dumps({"tags": "calm"}).encode()
    members = {"a.wav": noise(1), "a.wav.json": facts, "b.wav": noise(2), "b.Json": facts}
    shard(tmp_path / "0.tar", members)
    found = records_of("webdataset", tmp_path)
    assert [record.tags for record in found.values()] == [("calm",), ("calm",)]


def test_a_raw_tab_in_a_caption_costs_no_sound(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "MusicBench_train.json").write_text('{"location": "a.wav", "main_caption": "a\tb"}')
    assert reasons_of("musicbench", tmp_path) == {"a.wav": ""}


def test_names_of_concepts_are_texts(tmp_path: Path) -> None:
    (tmp_path / "concepts.json").write_text('{"concepts": [{"name": 7}]}')
    with pytest.raises(PipelineError, match="names a concept 7, which is not text"):
        read_concepts(tmp_path / "concepts.json")


@pytest.mark.parametrize(
    "written", ["sub\\é.wav", " sub/é.wav ", "./sub/é.wav", "sub/e\u0301.wav", ".\\sub\\é.wav"]
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_listed_path_is_found_in_other_spellings(
    tmp_path: Path, written: str, form: Literal["NFC", "NFD"]
) -> None:
    name = unicodedata.normalize(form, "sub/é.wav")
    sound(tmp_path / name)
    (tmp_path / "corpus.csv").write_text(f"track,path\na,{written}\n", encoding="utf-8")
    record = records_of("folder", tmp_path)["a"]
    assert record.status == "ok", record.reason
    assert (tmp_path / record.path).samefile(tmp_path / name)
    (tmp_path / "autotagging.tsv").write_text(
        f"TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\nt\ta\tb\t{written}\t1\tx\n",
        encoding="utf-8",
    )
    assert records_of("mtg-jamendo", tmp_path)["t"].status == "ok"


def test_a_path_as_it_is_written_comes_first(tmp_path: Path) -> None:
    for n, name in enumerate((" a.wav", "a.wav", "b\\c.wav", "b/c.wav")):
        sound(tmp_path / name, n)
    (tmp_path / "corpus.csv").write_text("track,path\na, a.wav\nb,b\\c.wav\n")
    found = records_of("folder", tmp_path)
    assert (found["a"].path, found["b"].path) == (" a.wav", "b\\c.wav")


@pytest.mark.parametrize(
    ("given", "tags"),
    [("[rock]", ("rock",)), ("(rock)", ("rock",)), ("[rock, slow piano]", ("rock", "slow piano"))],
)
def test_tags_in_brackets_without_quotation_marks(given: str, tags: tuple[str, ...]) -> None:
    assert tags_of(given) == tags


ROWS = [{"location": "a.wav", "main_caption": "one"}, {"location": "b.wav", "main_caption": "two"}]
COLUMNS = {"location": ["a.wav", "b.wav"], "main_caption": ["one", "two"]}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(COLUMNS),
        json.dumps({name: dict(enumerate(column)) for name, column in COLUMNS.items()}, indent=1),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        json.dumps(ROWS, indent=2),
        "\n".join(json.dumps({**row, "main_caption": [row["main_caption"]]}) for row in ROWS),
        " ".join(json.dumps(row) for row in ROWS),
    ],
)
def test_musicbench_is_read_in_other_layouts(tmp_path: Path, text: str) -> None:
    for n, name in enumerate(("a.wav", "b.wav")):
        sound(tmp_path / name, n)
    (tmp_path / "MusicBench_train.json").write_text(text)
    found = records_of("musicbench", tmp_path)
    assert {name: record.caption for name, record in found.items()} == {
        "a.wav": "one", "b.wav": "two",
    }  # fmt: skip
    assert {record.status for record in found.values()} == {"ok"}


def test_columns_of_musicbench_that_are_not_of_one_length_are_refused(tmp_path: Path) -> None:
    (tmp_path / "MusicBench.json").write_text(json.dumps({**COLUMNS, "main_caption": ["one"]}))
    with pytest.raises(PipelineError, match=r"of different lengths: location 2, main_caption 1$"):
        records_of("musicbench", tmp_path)
