"""`steering.csv` of a study of pairs: CLAP's cosines of the very clips that listeners compare."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from analysis.pairs.clap import read_cosines
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import EffectRecord, SteeringRecord
from studyapp import exports
from studyapp.models import Feature, Run, Study
from studyapp.runs.services import folders
from tests.studyapp import run_steering
from tests.studyapp.factories import make_pair_study

pytestmark = pytest.mark.django_db


def clip(feature: str, seed: int, changed_share: float) -> SteeringRecord:
    return SteeringRecord(
        feature=feature, hookpoint=run_steering.HOOKPOINT, alpha=1.0, beta=4.0, halves="both",
        prompt="Simple melody", seed=seed, seconds=2.0, clip="c", plain_clip="p",
        changed_share=changed_share,
    )  # fmt: skip


def effect(feature: str, seed: int, rise: float, intervention: str = "add") -> EffectRecord:
    return run_steering.effect(
        feature, intervention, 0, 1.0, seed, 4.0, rise=rise, others=0.5, label="bright sound"
    )


def evaluate(run: Run, names: list[str], made: Path) -> None:
    """Four clips and what CLAP says of them: of the second another one was evaluated."""
    sae = names[0].partition("/")[0]
    directory = RunDirectory(made)
    directory.begin({"key": "k"})
    clips = [clip(names[0], 0, 0.5), clip(names[0], 1, 0.4), clip(names[1], 0, 0.5),
             clip(f"{sae}/900", 0, 0.5)]  # fmt: skip
    rows = [effect(one.feature, one.seed, 0.1) for one in clips]
    rows += [effect(names[0], 0, 0.3, "random-pool"), effect(names[0], 7, 0.3)]
    rows[2] = replace(rows[2], label_similarity=None)
    for stage, name, table in (
        ("steering", "", table_of(SteeringRecord, clips)),
        (run_steering.STAGE, ".effects", table_of(EffectRecord, rows)),
    ):
        with directory.writer(stage) as writer:
            writer.write_table(f"steering/{sae}{name}.parquet", table)
    shutil.copytree(made, folders.directory_of(run=run), dirs_exist_ok=True)


@pytest.fixture
def study() -> Study:
    return make_pair_study()


def test_the_export_has_what_clap_says_of_the_studys_own_clips(
    study: Study, tmp_path: Path, researcher: Client
) -> None:
    run = study.runs.get()
    features = Feature.objects.filter(items__study=study, items__role="main").distinct()
    names = sorted(features.values_list("identifier", flat=True))
    empty = exports.export_study(study=study, out=tmp_path / "empty")
    header = (empty / "steering.csv").read_text().splitlines()
    assert header == [
        "feature,intervention,alpha,seed,label,label_similarity,label_similarity_plain"
    ]
    evaluate(run, names, tmp_path / "made")
    out = exports.export_study(
        study=study, out=tmp_path / "out", forms=exports.Forms(parquet=True, spreadsheet=True)
    )
    assert (out / "steering.csv").read_text().splitlines()[1:] == [
        f"{names[0]},add,1.0,0,bright sound,0.30000000000000004,0.2",
        f"{names[1]},add,1.0,0,bright sound,,0.2",
    ]
    assert "## steering.csv" in (out / "codebook.md").read_text()
    # The analysis finds it there.
    cosines = read_cosines(out)
    assert cosines is not None
    assert cosines.of[names[0], "bright sound", "add", 1.0, "0"] == pytest.approx(0.3)
    assert cosines.of[names[0], "bright sound", "", 0.0, "0"] == 0.2
    # As blind as all else: not before the study is closed.
    address = reverse("export-zip", args=[study.slug, study.version])
    assert researcher.get(address).status_code == 403
    Study.objects.filter(pk=study.pk).update(state=Study.State.CLOSED)
    assert b"steering.csv" in b"".join(researcher.get(address).streaming_content)  # type: ignore[attr-defined]


def test_a_table_that_cannot_be_used_leaves_the_export_whole(
    study: Study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    feature = study.items.filter(role="main").first().feature  # type: ignore[union-attr]
    assert feature is not None
    evaluate(feature.run, [feature.identifier, feature.identifier], tmp_path / "made")
    place = f"steering/{feature.sae}.effects.parquet"
    (folders.directory_of(run=feature.run) / place).write_bytes(b"no table")
    out = exports.export_study(study=study, out=tmp_path / "out")
    assert len((out / "steering.csv").read_text().splitlines()) == 1
    assert "no cosines by CLAP" in caplog.text
