"""The best features, and those of a list: which a study gets, and what it says about them."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from studyapp.core.errors import StudyError
from studyapp.models import LabelCandidate, Run, Study
from studyapp.runs.services import feature_columns
from studyapp.studies.services import design, feature_lists
from tests.studyapp import factories

pytestmark = pytest.mark.django_db
CONTROL = "random-label"


@pytest.fixture
def run() -> Run:
    """Eight features: their scores rise by one method, fall by the other; the control's are best.

    Feature 7 has no score, and feature 6 two labels only of one method.
    """
    run = factories.make_run(clips=6, seconds=0.2)
    for feature in factories.make_features(run, count=8, methods=(*factories.METHODS, CONTROL)):
        score = {"corpus-tags": 0.5 + feature.index / 100, "descriptors": 0.54, CONTROL: 0.99}
        for label in feature.labels.filter(rank=1):
            label.scores = {"detection": score[label.method], "clap": -score[label.method]}
            label.save()
    run.features.get(index=6).labels.filter(method="descriptors", rank__gt=2).delete()
    LabelCandidate.objects.filter(feature__index=7).update(scores={})
    feature_columns.fill(run)
    run.refresh_from_db()
    return run


def make(run: Run, **asked: object) -> Study:
    return factories.make_study(run=run, state=Study.State.DRAFT, **({"features": 3} | asked))  # type: ignore[arg-type] # settings


def drawn(study: Study) -> set[int]:
    indices = study.items.filter(role="main").values_list("feature__index", flat=True)
    return {index for index in indices if index is not None}


@pytest.mark.parametrize(
    ("best_by", "right"),
    [
        ("", {5, 0, 1}),  # 0.55; five have 0.54 by the other method, and the first are taken
        ("detection:corpus-tags", {5, 4, 3}),
        ("clap:corpus-tags", {0, 1, 2}),
        ("clap", {0, 1, 2}),
    ],
)
def test_the_best_are_those_with_the_best_first_labels_of_methods_that_are_no_controls(
    run: Run, best_by: str, right: set[int]
) -> None:
    study = make(run, selection="best", best_by=best_by, methods=(*factories.METHODS, CONTROL))
    assert drawn(study) == right
    assert study.best_by == (best_by or "detection")
    assert study.left_out["reasons"][f"no score by {study.best_by}"] == 1


def test_a_list_is_taken_in_its_order_and_kept_in_the_study(run: Run) -> None:
    names = [f"layer2-n64-k4/{index}" for index in (4, 6, 2, 0)]
    row, _ = feature_lists.add(run=run, name="Mine", features=names, created_by=None)
    listed = [f"{run.identifier}/{name}" for name in names]
    study = make(run, listed=listed, list_name="Mine", features=2)
    assert (study.selection, drawn(study)) == ("list", {4, 2})
    assert (study.left_out["features"], study.left_out["eligible"]) == (4, 3)
    feature_lists.delete(row)
    assert study.listed == listed
    with pytest.raises(StudyError, match="4 features wanted, 3 of the list are eligible"):
        make(run, listed=listed, features_wanted=None)
    with pytest.raises(StudyError, match="is no feature of the chosen runs"):
        make(run, listed=["elsewhere/layer2-n64-k4/1"])
    factories.make_features(run, count=3, sae="layer3-n64-k4")
    other = make(run, listed=[*listed, f"{run.identifier}/layer3-n64-k4/0"], features_wanted=3,
                 saes=["layer2-n64-k4"], slug="other")  # fmt: skip
    assert (drawn(other), other.left_out["reasons"]["of another SAE"]) == ({4, 2, 0}, 1)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"selection": "worst"}, "selection is 'worst'; known: random, best, list"),
        ({"selection": "list"}, "the list has no features"),
        ({"best_by": "taste"}, "best_by is 'taste': scorers of these runs: detection, clap"),
        ({"best_by": "clap:random-label"}, "a control’s labels are of other features"),
        ({"best_by": "clap:gemini"}, "methods of run-.*: corpus-tags, descriptors, random-label"),
        ({"selection": "best", "features_wanted": 7}, "6 eligible ones have a score by detection"),
    ],
)
def test_what_cannot_be_chosen_is_refused_in_one_line(
    run: Run, asked: dict[str, object], line: str
) -> None:
    with pytest.raises(StudyError, match=line):
        make(run, **asked)


def test_how_features_were_chosen_is_exported_and_hashed(run: Run) -> None:
    random, best = make(run), make(run, selection="best", best_by="detection")
    told = design.exported(best)
    assert (told["design"]["selection"], told["design"]["best_by"]) == ("best", "detection")
    assert {"selection", "best_by"} <= set(told["design_hash_covers"])
    assert design.exported(random)["design"]["selection"] == "random"
    assert not {"selection", "best_by", "listed"} & set(design.document(random))


def test_the_command_takes_the_best_or_a_list(run: Run, tmp_path: Path) -> None:
    row, _ = feature_lists.add(
        run=run, name="Mine", features=["layer2-n64-k4/4", "layer2-n64-k4/2"], created_by=None
    )
    file = tmp_path / "chosen.txt"
    file.write_text("layer2-n64-k4/1\nlayer2-n64-k4/5\nlayer2-n64-k4/1\n", encoding="utf-8")
    common = [run.name, "--trials", "1", "--methods", ",".join(factories.METHODS)]
    call_command("create_study", *common, "--slug", "a", "--features", "1", "--best-by", "clap")
    call_command("create_study", *common, "--slug", "b", "--list", row.name.upper())
    call_command("create_study", *common, "--slug", "c", "--list-file", str(file))
    made = {study.slug: drawn(study) for study in Study.objects.all()}
    assert made == {"a": {0}, "b": {4, 2}, "c": {1, 5}}
    with pytest.raises(CommandError, match="has no list 'Yours'; its lists: Mine"):
        call_command("create_study", *common, "--slug", "d", "--list", "Yours")
