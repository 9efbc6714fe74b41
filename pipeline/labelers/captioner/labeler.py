"""`captioner`: a music captioner on this machine listens to a feature's exemplars.

It gets the prompt that `gemini` and `audio-chat` give, with the schema in words, and its answer is
read in the same way. `captioner@NAME` asks the model of `[captioner] models` whose last part is
NAME, so that several stand side by side. Answers are kept in `labels/captioner-answers.jsonl`, so
that a stage that was killed goes on where it was. A captioner does not score tracks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.config import CaptionerConfig, RunConfig
from pipeline.context import SaeContext
from pipeline.labelers.base import Labeler, failed
from pipeline.labelers.captioner import models
from pipeline.labelers.captioner.models import PREFILL
from pipeline.labelers.remote.answers import Answer, UnusableAnswer, answer_in
from pipeline.labelers.remote.questions import (
    IN_WORDS,
    SCHEMA,
    Question,
    prompt_of,
    question,
    samples_of,
)
from pipeline.labelers.remote.records import Asked, candidates, write_answers
from pipeline.store.tables import FeatureRecord, LabelCandidate

ANSWERS = "labels/captioner-answers.jsonl"


@dataclass(frozen=True)
class Asks:
    """What questions to captioners are made from."""

    config: CaptionerConfig
    section: str = "captioner"
    encoding: str = "samples"


class CaptionerLabeler(Labeler):
    """Labels features by a captioner's answers."""

    takes_variant: ClassVar[bool] = True

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """Fingerprint of the prompt, the schema and all models of the section."""
        own = config.captioner
        models.model_of(own, self.variant)
        prints = [models.fingerprint(model) for model in own.models]
        whole = [prompt_of(own, "captioner"), IN_WORDS, SCHEMA, PREFILL, prints]
        text = json.dumps(whole, sort_keys=True)
        return {"captioner": hashlib.sha256(text.encode()).hexdigest()}

    def ready(self, config: RunConfig) -> None:
        """Raise `PipelineError` if the model is not named, or its files are missing."""
        models.ready(models.model_of(config.captioner, self.variant))

    def prepare(self, context: SaeContext) -> None:
        """Ask about all features; then write overall names and raw answers."""
        found = self._answers(context, _named(context))
        write_answers(context, self._name, [self._asked(*one) for one in found])

    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The concepts of each feature's answer, by confidence."""
        named = [one.feature for one in features if context.exemplars.get(one.feature)]
        given = {one.feature: (one, reply) for one, reply in self._answers(context, named)}
        for name in (feature.feature for feature in features):
            if name not in given:
                yield failed(name, "the feature has no exemplars")
                continue
            asked = self._asked(*given[name])
            if asked.answer is None:
                yield failed(name, asked.reason)
                continue
            provenance = f"{asked.version}, reply {asked.question.key}"
            provenance += f"; {asked.answer.note}" if asked.answer.note else ""
            yield from candidates(name, asked.answer, provenance, context.config.labels.candidates)

    @property
    def _name(self) -> str:
        return f"captioner@{self.variant}" if self.variant else "captioner"

    def _asked(self, asked: Question, reply: Mapping[str, object]) -> Asked:
        """What a model answered, read."""
        version = models.short(asked.model.partition(" ")[2])
        try:
            answer: Answer | None = answer_in(str(reply["text"]), cut=bool(reply["cut"]))
        except UnusableAnswer as error:
            return Asked(asked, reply, version, None, str(error))
        return Asked(asked, reply, version, answer, "")

    def _answers(
        self, context: SaeContext, named: Sequence[str]
    ) -> list[tuple[Question, Mapping[str, object]]]:
        """The model's reply about each of these features, asked for if it is not kept yet."""
        config, memo = context.config.captioner, context.tables.memo
        model = models.model_of(config, self.variant)
        ledger = context.directory.ledger(ANSWERS)
        known = memo.setdefault(ANSWERS, {one["key"]: one for one in ledger.entries()})
        asked = [_question(context, one, model) for one in named]
        todo = [one for one in asked if one.key not in known]
        if todo:
            context.progress.start(f"labels {context.sae} {self._name} hears", len(todo), "feature")
        for one in todo:
            text, cut = _hear(context, one, model)
            known[one.key] = {"key": one.key, "feature": one.feature, "text": text, "cut": cut}
            ledger.add(known[one.key])
            context.progress.advance()
        if todo:
            context.progress.finish()
        return [(one, known[one.key]) for one in asked]


def _named(context: SaeContext) -> list[str]:
    """The features that have exemplars."""
    return [one.feature for one in context.features if context.exemplars.get(one.feature)]


def _question(context: SaeContext, feature: str, model: str) -> Question:
    """The question about a feature; its key depends on the model's files and settings."""
    config, memo = context.config.captioner, context.tables.memo
    key = ("captioner fingerprint", model)
    if key not in memo:
        memo[key] = models.fingerprint(model)
    settings = f"{memo[key]}-{config.dtype}-{config.max_tokens}"
    return question(context, feature, f"{settings} {model}", Asks(config))


def _hear(context: SaeContext, asked: Question, model: str) -> tuple[str, bool]:
    """A model's answer to a question, and whether it was cut off."""
    captioner = _loaded(context, model)
    config, rate = context.config.captioner, captioner.sample_rate
    parts = [[clip] for clip in asked.clips] if captioner.family.apart else [[*asked.clips]]
    sounds = [samples_of(context, clips, seconds=config.clip_seconds, rate=rate) for clips in parts]
    return captioner.answer(f"{asked.prompt}\n\n{IN_WORDS}", sounds)


def _loaded(context: SaeContext, model: str) -> models.Captioner:
    """The model; only the one that was used last stays in memory."""
    memo = context.tables.memo
    if memo.get("captioner", ("",))[0] != model:
        memo.pop("captioner", None)  # First, so that two are never in memory together.
        context.progress.note(f"loading captioner {model}")
        device = context.config.machine.device
        memo["captioner"] = (model, models.Captioner(model, context.config.captioner, device))
    captioner: models.Captioner = memo["captioner"][1]
    return captioner
