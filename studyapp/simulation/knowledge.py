"""What listeners of a study know, and what the population is expected to answer."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studyapp.core.text_files import decoded
from studyapp.models import Study
from studyapp.runs.services.folders import file_of
from studyapp.simulation import selectors as rows
from studyapp.simulation.check_listener import CheckSound
from studyapp.simulation.listener import ListenerModel
from studyapp.simulation.vocabulary import Vocabulary


@dataclass(frozen=True)
class Knowledge:
    """The tags of the study's sounds, recognised by their bytes, and what names mean."""

    tags: dict[str, list[str]]
    """SHA-256 of a sound → its tags."""
    vocabulary: Vocabulary
    checks: dict[str, CheckSound] = field(default_factory=dict)
    """SHA-256 of a sound of the checks → what it is."""
    trial_type: str = "label"
    amounts: dict[tuple[str, str], float] = field(default_factory=dict)
    """Label that is asked about, SHA-256 of a sound → how much the sound has of it."""


def knowledge_of(study: Study) -> Knowledge:
    """What listeners of the study know."""
    vocabulary = vocabulary_of(study)
    tags = rows.tags_by_sound(study)
    for sound, name in (rows.right_names(study) | rows.names_of_alike(study)).items():
        tags[sound] = [name, *sorted(vocabulary.meaning(name))]
    answers = rows.check_answers(study)
    checks = {sound: CheckSound(*known) for sound, known in answers.items()}
    amounts = rows.amounts(study)
    for _, sound in amounts:
        tags.setdefault(sound, [])
    return Knowledge(tags, vocabulary, checks, study.kind.trial_type, amounts)


def vocabulary_of(study: Study) -> Vocabulary:
    """What names mean, from the concepts of the study's runs; a run without concepts adds none."""
    concepts = [c for run in rows.runs(study) for c in _concepts(file_of(run, "concepts.json"))]
    return Vocabulary(concepts)


def expected_by_method(study: Study, model: ListenerModel) -> dict[str, float]:
    """Method → mean confidence expected over the study's items and the population of listeners."""
    vocabulary = vocabulary_of(study)
    expected: dict[str, list[float]] = {}
    for item in rows.items(study):
        value = model.expected_confidence(vocabulary.fits(item.tags, item.names))
        expected.setdefault(item.method, []).append(value)
    return {method: sum(values) / len(values) for method, values in sorted(expected.items())}


def expected_by_contrast(study: Study, model: ListenerModel) -> dict[str, float]:
    """Contrast → expected share of answers that choose its first sound."""
    return {name: model.share(both) for name, both in rows.contrasts(study).items()}


def true_difference(study: Study, model: ListenerModel) -> float:
    """Expected mean confidence of the first method minus the second, in alphabetical order.

    Exact for the study's items under the listener model; see `listener.expected_confidence`.
    """
    first, second = expected_by_method(study, model).values()
    return first - second


def _concepts(path: Path) -> list[dict[str, Any]]:
    try:
        text = decoded(path.read_bytes())
    except FileNotFoundError:
        return []
    concepts: list[dict[str, Any]] = json.loads(text)["concepts"]
    return concepts
