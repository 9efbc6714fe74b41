"""Which file names contain a YouTube video or a Jamendo track, and which only seem to."""

from __future__ import annotations

import pytest

from pipeline.corpus.adapters.names import Excerpt, excerpt_in, recording_group, video_of

VIDEO = "-0Gj8-vB1q4"


@pytest.mark.parametrize(
    "stem",
    ["{}", "{}_30-40", "{}_30", "{}_30_40", "{}-[30-40]", "[{}]-[30-40]", "[{}]", "{}_30.0_40.0",
     "{}_30000_40000", "Y{}", "Y{}_30.000_40.000", "{}.m4a", "{}_3", "A song [{}]", "{}-30-40"],
)  # fmt: skip
def test_what_downloaders_write_is_the_video(stem: str) -> None:
    for video in (VIDEO, "dQw4w9WgXcQ", "_0-fTxXE2Ks", "zzzzz_0yAhk"):
        assert video_of(stem.format(video)) == video
        assert recording_group(f"clips/{stem.format(video)}.wav") == f"youtube {video}"


@pytest.mark.parametrize(
    "stem",
    ["mtg_jamendo_000001", "audio_track_17", "recording04", "Track000004", "Track000004_1",
     "my_song_no8_2", "Album1_Song_017", "track_00001_1", "20210304_12_1", "01234567890_2",
     "a_live_take_3", "Beethoven_9_1", "ABCDEFGHIJK_1", "-0Gj8-vB1q4_030-040", "-0Gj8-vB1q4x",
     "-0Gj8-vB1q4_40-30", "-0Gj8-vB1q5_30-40"],
)  # fmt: skip
def test_what_only_looks_like_a_video_is_none(stem: str) -> None:
    assert video_of(stem) == ""


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("track_0000214.flac", "jamendo 214"),
        ("a/track_0000214_3.flac", "jamendo 214"),
        ("mtg_jamendo_000214.wav", "jamendo 214"),
        ("jamendo-214_10-20.wav", "jamendo 214"),
        ("jamendo/track_214.mp3", "jamendo 214"),
        ("14/214.mp3", "jamendo 214"),
        ("audio/14/214.low.mp3", "jamendo 214"),
        ("14/214_10-20.mp3", "jamendo 214"),
        ("15/214.mp3", ""),
        ("audio_track_17.mp3", ""),
        ("jamendo.mp3", ""),
    ],
)
def test_a_jamendo_track_is_known_by_its_number(path: str, group: str) -> None:
    assert recording_group(path) == group


def test_an_excerpt_is_read_as_whole_numbers() -> None:
    known = {VIDEO}
    assert excerpt_in(f"{VIDEO}_130-140", known) == Excerpt(VIDEO, 130, 140)
    assert excerpt_in(f"[{VIDEO}]-[30-40]", known) == Excerpt(VIDEO, 30, 40)
    assert excerpt_in(f"{VIDEO}_0030", known) == Excerpt(VIDEO, 30, None)
    assert excerpt_in(VIDEO, known) == Excerpt(VIDEO, None, None)
    assert excerpt_in(f"{VIDEO}_30-40", {"dQw4w9WgXcQ"}) is None
