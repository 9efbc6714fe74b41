"""`free-text`: the labels that listeners wrote for a feature in an earlier study.

The study was about an earlier run with the same features, which `[free_text] run` names; answers
about other runs are ignored. Texts for a feature that mean the same (see `labelers.synonyms`;
typing errors are merged too) are one candidate, for which each participant counts once, whichever
method they were shown. Candidates are ranked by their number of participants. Confidence is the
share of participants who wrote this candidate, among those who wrote anything for the feature. The
text of a candidate is its most frequent wording, then the shortest, then the first alphabetically.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.config import RunConfig
from pipeline.context import SaeContext
from pipeline.errors import PipelineError
from pipeline.files.hashing import sha256_of
from pipeline.labelers.base import Labeler, failed
from pipeline.labelers.study_responses import StudyAnswer, answers_of
from pipeline.labelers.synonyms import slips_joined, word_groups, words_of
from pipeline.store.tables import FeatureRecord, LabelCandidate

MAX_CHARACTERS = 80
"""Maximum length of a label in characters; a longer text is a remark."""


class FreeText(Labeler):
    """Labels features with listeners' own words."""

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """Fingerprint of the file with their answers."""
        path = _file(config)
        answers_of(path, config.free_text.run, section="free_text")
        return {"free_text": sha256_of(path)}

    def ready(self, config: RunConfig) -> None:
        """Raise `PipelineError` if the file is missing."""
        _file(config)

    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The labels that listeners wrote, by the number of participants."""
        path = context.config.free_text.responses
        if path is None:
            raise PipelineError("free-text needs [free_text] responses")
        written: dict[str, list[StudyAnswer]] = defaultdict(list)
        answers = answers_of(path, context.config.free_text.run, section="free_text")
        _check_features(context, answers)
        for answer in answers:
            if 0 < len(answer.free_text) <= MAX_CHARACTERS:
                written[answer.feature].append(answer)
        seen = Counter(
            word
            for own in written.values()
            for answer in own
            for word in words_of(answer.free_text)
        )
        for feature in features:
            own = written[feature.feature]
            if not context.exemplars.get(feature.feature):
                yield failed(feature.feature, "the feature has no exemplars")
            elif not (found := grouped(own, context.config.free_text.min_participants, seen)):
                yield failed(feature.feature, f"{len(own)} listeners' texts, none often enough")
            else:
                everyone = len({answer.participation for answer in own})
                yield from _candidates(context, feature.feature, found, everyone)


def _file(config: RunConfig) -> Path:
    path = config.free_text.responses
    if path is None or not path.is_file():
        raise PipelineError(
            "free-text needs an earlier study's answers: set [free_text] responses to its "
            "responses.csv" + (f" (there is no file {path})" if path else "")
        )
    return path


def _check_features(context: SaeContext, answers: Sequence[StudyAnswer]) -> None:
    """Raise `PipelineError` if listeners heard a feature of the SAE that this run did not keep,
    which shows that its features are not the same."""
    kept = {feature.feature for feature in context.features}
    for answer in answers:
        if answer.feature.rpartition("/")[0] == context.sae and answer.feature not in kept:
            raise PipelineError(
                f"listeners heard {answer.feature} of run {answer.run}, which this run did not "
                "keep: the two runs have different features, so the texts do not apply"
            )


def grouped(
    own: Sequence[StudyAnswer], fewest: int, seen: Mapping[str, int]
) -> list[tuple[str, int, tuple[str, ...]]]:
    """For each candidate its text, number of participants, and other wordings; most participants
    first.

    `seen`: how often each word occurs in what listeners wrote for any feature.
    """
    name_of = slips_joined(word_groups(sorted({answer.free_text for answer in own})), seen)
    people: dict[str, set[str]] = defaultdict(set)
    wordings: dict[str, Counter[str]] = defaultdict(Counter)
    for answer in own:
        name = name_of[answer.free_text]
        people[name].add(answer.participation)
        wordings[name][answer.free_text] += 1
    found = []
    for name, counts in wordings.items():
        text = min(counts, key=lambda wording: (-counts[wording], len(wording), wording))
        if len(people[name]) >= fewest:
            found.append((text, len(people[name]), tuple(sorted(set(counts) - {text}))))
    return sorted(found, key=lambda row: (-row[1], len(row[0]), row[0]))


def _candidates(
    context: SaeContext,
    feature: str,
    found: Sequence[tuple[str, int, tuple[str, ...]]],
    everyone: int,
) -> Iterator[LabelCandidate]:
    for rank, (text, count, others) in enumerate(
        found[: context.config.labels.candidates], start=1
    ):
        yield LabelCandidate(
            feature=feature,
            rank=rank,
            text=text,
            confidence=count / everyone,
            description=f"written by {count} of the {everyone} listeners who wrote something",
            merged=others,
        )
