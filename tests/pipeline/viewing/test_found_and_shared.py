"""A labelled run: searched by meaning, heard through its SAEs, and bundled for a supplement."""

from __future__ import annotations

import csv
import re
import shutil
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from pipeline.clap import backends
from pipeline.config import RunConfig, config_from_dict
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.scorers.meaning import Meanings, embedded, found, meanings
from pipeline.stages import labels
from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import ExemplarRecord, FeatureRecord
from pipeline.viewing.bundle import INDEX, bundle
from pipeline.viewing.listening import listen

Run = tuple[RunConfig, RunDirectory]


@pytest.fixture(scope="module")
def run(
    finished_run: Path,
    small_config: dict[str, dict[str, object]],
    outside: object,
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """The finished run with labels."""
    folder = tmp_path_factory.mktemp("labelled") / "run"
    shutil.copytree(finished_run, folder)
    config = config_from_dict(
        {
            **small_config,
            "labels": {"methods": ["corpus-tags", "random-label"]},
            "clap": {"model": str(outside.clap)},  # type: ignore[attr-defined]
        }
    )
    directory = RunDirectory(folder)
    labels.run(config, directory, progress=SilentProgress())
    return config, directory


def kept(directory: RunDirectory) -> list[str]:
    rows = [
        row
        for sae in directory.sae_names()
        for row in records_from(FeatureRecord, directory.read_table(f"features/{sae}.parquet"))
    ]
    return [row.feature for row in rows if row.kept]


def test_every_kept_feature_is_found_in_one_order_and_no_control_is_searched(
    run: Run, tmp_path: Path
) -> None:
    config, directory = run
    made = meanings(config, directory, progress=SilentProgress())
    assert [*made.features] == kept(directory)
    assert {method for _, _, method, _ in made.labels} == {"corpus-tags"}
    made.save(tmp_path / "m.safetensors")
    again = Meanings.load(tmp_path / "m.safetensors")
    query = embedded(made.texts[0], backends.load(config.clap))
    for way in ("label", "sound"):
        rows = found(made, query, by=way, most=10_000)
        assert sorted(one.feature for one in rows) == sorted(made.features)
        assert rows == found(again, query, by=way, most=10_000)
        cosines = [getattr(one, f"{way}_cosine") for one in rows]
        assert cosines == sorted(cosines, reverse=True)
    first = found(made, query)[0]
    assert (first.label, first.label_cosine) == (made.texts[0], pytest.approx(1, abs=1e-3))


@pytest.mark.parametrize("words", ["", "  \n", "x" * 301])
def test_a_query_without_words_or_with_too_many_is_refused(words: str) -> None:
    with pytest.raises(PipelineError, match="it must have 1 to 300"):
        embedded(words, object())  # type: ignore[arg-type]


def test_among_equal_labels_the_more_confident_one_is_nearer() -> None:
    made = Meanings(
        features=("s/0", "s/1", "s/2", "s/3"),
        sounds=np.asarray([[0.1, 0], [0.3, 0], [0.2, 0], [0.9, 0]], dtype=np.float32),
        texts=("bells", "drums"),
        embeddings=np.eye(2, dtype=np.float32),
        labels=((0, 0, "m", 0.2), (1, 0, "m", 0.9), (2, 0, "m", 0.2), (3, 1, "m", 1.0)),
        stamp="",
    )
    query = np.asarray([1, 0], dtype=np.float32)
    assert [one.feature for one in found(made, query)] == ["s/1", "s/2", "s/0", "s/3"]
    assert [one.feature for one in found(made, query, by="sound")] == ["s/3", "s/1", "s/2", "s/0"]


def test_a_track_of_the_corpus_is_heard_as_the_run_heard_it(run: Run) -> None:
    """The same maximum at the same place as the run's own exemplars have."""
    config, directory = run
    sae = directory.sae_names()[0]
    rows = records_from(ExemplarRecord, directory.read_table(f"exemplars/{sae}.parquet"))
    row = next(one for one in rows if one.rank == 1)
    sound = config.corpus.folder() / f"audio/{row.track[1:]}.flac"
    heard = listen(config, directory, sound, progress=SilentProgress())
    own = next(one for one in heard.features if one.feature == row.feature)
    assert own.max_activation == pytest.approx(row.max_activation, rel=0.02)
    assert own.peak_seconds == pytest.approx(row.peak_seconds, abs=1e-3)
    assert any(start <= own.peak_seconds <= end for start, end in own.spans)
    strongest = [one.relative for one in heard.features]
    assert strongest == sorted(strongest, reverse=True)
    assert {one.feature for one in heard.features} <= set(kept(directory))


def test_a_sound_that_cannot_be_used_is_one_line(run: Run, tmp_path: Path) -> None:
    config, directory = run
    (tmp_path / "words.wav").write_text("not a sound")
    sf.write(tmp_path / "long.wav", np.zeros(31 * 8000), 8000)
    sf.write(tmp_path / "short.wav", np.zeros(800), 8000)
    for name, says in (
        ("words.wav", "is no sound that can be read"),
        ("long.wav", r"is 31\.0 s long; it must have 0\.5 to 30 s"),
        ("short.wav", r"is 0\.1 s long"),
    ):
        with pytest.raises(PipelineError, match=says) as refused:
            listen(config, directory, tmp_path / name, progress=SilentProgress())
        assert "\n" not in str(refused.value)


def test_an_hour_of_silence_is_refused_before_it_is_decoded(run: Run, tmp_path: Path) -> None:
    """It is a small file, but would need more than a hundred megabytes of memory."""
    config, directory = run
    sound = tmp_path / "hour.flac"
    sf.write(sound, np.zeros(3600 * 8000, dtype=np.int16), 8000)
    assert sound.stat().st_size < 500_000
    tracemalloc.start()
    with pytest.raises(PipelineError, match=r"is 60\.0 s or more long"):
        listen(config, directory, sound, progress=SilentProgress())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000_000


class References(HTMLParser):
    """Everything that a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe", "object", "base")
        self.found += [value or "" for name, value in attrs if name in ("href", "src", "srcset")]


def test_a_bundle_has_every_page_and_refers_to_nothing_outside(run: Run, tmp_path: Path) -> None:
    config, directory = run
    chosen = kept(directory)[:3]
    out = tmp_path / "bundle"
    page = bundle(config, directory, chosen, out, title="A & B", progress=SilentProgress())
    assert page == out / INDEX
    assert len([*out.glob("features/*.html")]) == 3
    for document in out.rglob("*.html"):
        text = document.read_text()
        assert not re.search(r"https?:|url\(|@import", text)
        reader = References()
        reader.feed(text)
        for reference in reader.found:
            assert (document.parent / reference).resolve().is_relative_to(out.resolve())
            assert (document.parent / reference).is_file(), reference
    assert "A &amp; B" in page.read_text()
    with (out / "features.csv").open(newline="") as file:
        assert {row["feature"] for row in csv.DictReader(file)} == set(chosen)
    assert "another feature’s label" in next(out.glob("features/*.html")).read_text()
    again = tmp_path / "again"
    bundle(config, directory, chosen, again, title="A & B", progress=SilentProgress())
    files = sorted(one.relative_to(out) for one in out.rglob("*") if one.is_file())
    assert files == sorted(one.relative_to(again) for one in again.rglob("*") if one.is_file())
    assert all((out / one).read_bytes() == (again / one).read_bytes() for one in files)


def test_a_bundle_lacks_figures_only_where_activations_were_removed(
    run: Run, tmp_path: Path
) -> None:
    config, directory = run
    shutil.copytree(directory.path, tmp_path / "run")
    copy, chosen = RunDirectory(tmp_path / "run"), kept(directory)[:1]
    shutil.rmtree(tmp_path / "run" / "activations")
    bundle(config, copy, chosen, tmp_path / "bundle", progress=SilentProgress())
    page = next((tmp_path / "bundle").glob("features/*.html")).read_text()
    assert ("<audio" in page, "<svg" in page) == (True, False)
    sae = copy.sae_names()[0]
    (tmp_path / "run" / f"features/{sae}.neighbours.parquet").write_bytes(b"damaged")
    shutil.copytree(directory.path / "activations", tmp_path / "run" / "activations")
    with pytest.raises(PipelineError, match="neighbours"):
        bundle(config, copy, chosen, tmp_path / "again", progress=SilentProgress())
    assert not (tmp_path / "again").exists()


def test_a_bundle_is_whole_or_not_at_all(run: Run, tmp_path: Path) -> None:
    config, directory = run
    known = kept(directory)[0]
    for names, says in (
        ([], "0 features were named"),
        ([known, "nowhere/1"], "the run has no SAE 'nowhere'"),
        ([f"{directory.sae_names()[0]}/999999"], "is no kept feature"),
    ):
        with pytest.raises(PipelineError, match=says):
            bundle(config, directory, names, tmp_path / "x", progress=SilentProgress())
    assert [*tmp_path.iterdir()] == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/paper.tex").write_text("mine")
    with pytest.raises(PipelineError, match="is not empty"):
        bundle(config, directory, [known], tmp_path / "mine", progress=SilentProgress())
    assert (tmp_path / "mine/paper.tex").read_text() == "mine"
