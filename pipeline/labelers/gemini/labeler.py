"""`gemini`: a large model listens to a feature's exemplars and proposes concepts.

The exemplars are concatenated in an order drawn from the seed and sent with a prompt and a schema
(Singh, Cherep and Maes, arXiv 2505.18186). The concepts, by confidence, are the candidates. The
overall name is stored in `labels/NAME/METHOD/overall.parquet` and is not an option in a study.
`gemini@MODEL` asks another model than `[gemini] model`, so that several models can be compared.

Every call is recorded in a ledger before it is made, and so is every raw reply; see `gemini.calls`.
The budget covers the whole run, all SAEs and `gemini@MODEL` methods together. If the key is not
accepted, the service is down or another model answers, the stage stops and is not done. Gemini does
not score tracks; its labels are scored with CLAP.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import ClassVar

from pipeline.config import GeminiConfig, RunConfig
from pipeline.context import SaeContext, open_context
from pipeline.errors import PipelineError
from pipeline.labelers.base import Labeler, failed
from pipeline.labelers.gemini import costs
from pipeline.labelers.gemini.address import base_url_of
from pipeline.labelers.gemini.answers import Answer, UnusableAnswer, answer_of, fault_of, version_of
from pipeline.labelers.gemini.calls import UNKNOWN, Calls
from pipeline.labelers.gemini.costs import ledger_of, spending_of
from pipeline.labelers.gemini.faults import UnansweredError
from pipeline.labelers.gemini.questions import SCHEMA, Question, prompt_of, question, sound_of
from pipeline.store.tables import FeatureRecord, LabelCandidate, OverallRecord, table_of

VARIABLE = "GEMINI_API_KEY"


class Gemini(Labeler):
    """Labels features by asking Gemini."""

    takes_variant: ClassVar[bool] = True
    one_piece: ClassVar[bool] = True

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """Fingerprint of the prompt and the schema."""
        whole = prompt_of(config.gemini) + json.dumps(SCHEMA, sort_keys=True)
        return {"gemini": hashlib.sha256(whole.encode()).hexdigest()}

    def ready(self, config: RunConfig) -> None:
        """Raise `PipelineError` if the key or the package is missing, or the address may not
        receive the key."""
        if find_spec("google") is None or find_spec("google.genai") is None:
            raise PipelineError("gemini needs the package google-genai: pip install '.[gemini]'")
        _key()
        base_url_of(config.gemini)

    def prepare(self, context: SaeContext) -> None:
        """Ask the questions without an answer; then write overall names and raw replies."""
        asked = [
            question(context, feature.feature, self._model(context))
            for feature in context.features
            if context.exemplars.get(feature.feature)
        ]
        calls = _calls(context)
        self._ask(context, calls, asked)
        _write_replies(context, self._name, calls, asked)

    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The concepts of each feature's answer; see the module docstring."""
        calls = _calls(context)
        named = [feature.feature for feature in features]
        asked = {
            name: question(context, name, self._model(context))
            for name in named
            if context.exemplars.get(name)
        }
        self._ask(context, calls, list(asked.values()))
        for name in named:
            if name not in asked:
                yield failed(name, "the feature has no exemplars")
                continue
            try:
                answer, provenance = _answer(calls, asked[name])
            except UnusableAnswer as error:
                yield failed(name, str(error))
                continue
            yield from _candidates(name, answer, provenance, context.config.labels.candidates)

    @property
    def _name(self) -> str:
        return f"gemini@{self.variant}" if self.variant else "gemini"

    def _model(self, context: SaeContext) -> str:
        return self.variant or context.config.gemini.model

    def _ask(self, context: SaeContext, calls: Calls, asked: Sequence[Question]) -> None:
        """Ask the outstanding questions, if the budget allows it."""
        config = context.config.gemini
        todo = [one for one in asked if _outstanding(calls, one, config)]
        if not todo or context.tables.unfinished:
            return
        context.progress.note(f"{self._name}, {context.sae}: {costs.summary(config, todo)}")
        context.progress.start(f"labels {context.sae} {self._name} asks", len(todo), "feature")
        try:
            self._ask_or_fetch(context, calls, todo)
        except UnansweredError as error:
            context.tables.unfinished = str(error)
        finally:
            context.progress.finish()

    def _ask_or_fetch(self, context: SaeContext, calls: Calls, todo: Sequence[Question]) -> None:
        """Ask the questions that are in no batch job, and fetch the results of existing jobs.

        Results that were paid for are fetched in any case: even if `[gemini] batch` has been unset
        since, and before an error that stops the rest is raised.
        """
        # Imported here, since the package is an optional extra.
        from pipeline.labelers.gemini import batches
        from pipeline.labelers.gemini.service import Service, make_client

        config, advance = context.config.gemini, context.progress.advance
        client, sound = make_client(config, _key()), partial(sound_of, context)
        batches.find(config, calls, client, todo)
        waiting = [one for one in todo if calls.in_job(one.key)]
        fresh = [one for one in todo if not calls.in_job(one.key)]
        stop: PipelineError | UnansweredError | None = None
        try:
            self._check_budget(context, calls, fresh)
            if fresh and not config.batch:
                Service(config, calls, client, sound).ask(fresh, advance=advance)
        except (PipelineError, UnansweredError) as error:
            stop = error
        jobs = todo if config.batch and stop is None else waiting
        if jobs:
            batches.ask(config, calls, client, jobs, sound, advance)
        if stop is not None:
            raise stop

    def _check_budget(self, context: SaeContext, calls: Calls, todo: Sequence[Question]) -> None:
        """Raise `PipelineError` if the run may exceed its budget; checked once per stage."""
        memo, config = context.tables.memo, context.config.gemini
        if memo.setdefault("gemini budget", "") == "checked":
            return
        memo["gemini budget"] = "checked"
        asked = {one.key: one for one in (*todo, *_of_the_run(context, calls))}
        new = [one for key, one in asked.items() if not calls.in_job(key)]
        needed, spent = sum(costs.estimated(config, one) for one in new), calls.dollars
        if spent + needed > config.budget_dollars:
            raise PipelineError(
                f"gemini may cost ${needed:.2f} for {len(new)} questions of this run on top of "
                f"${spent:.2f}, over [gemini] budget_dollars of {config.budget_dollars:g}; "
                "nothing was asked"
            )


def _of_the_run(context: SaeContext, calls: Calls) -> Iterator[Question]:
    """The outstanding questions for all SAEs of the run, by all methods that ask Gemini."""
    config = context.config
    models = [
        method.partition("@")[2] or config.gemini.model
        for method in config.labels.methods
        if method.partition("@")[0] == "gemini"
    ]
    for sae in context.directory.sae_names():
        own = context
        if sae != context.sae:
            own = open_context(config, context.directory, sae, progress=context.progress)
        for feature in own.features:
            if own.exemplars.get(feature.feature):
                for model in models:
                    one = question(own, feature.feature, model)
                    if _outstanding(calls, one, config.gemini):
                        yield one


def _key() -> str:
    key = os.environ.get(VARIABLE, "")
    if not key:
        raise PipelineError(f"gemini needs a key: set {VARIABLE}")
    return key


def _calls(context: SaeContext) -> Calls:
    """The calls in the ledger, which is read once per stage."""
    memo = context.tables.memo
    if "gemini" not in memo:
        config, directory = context.config.gemini, context.directory
        ledger, spending = ledger_of(config, directory), spending_of(config, directory)
        memo["gemini"] = Calls(ledger, os.environ.get(VARIABLE, ""), spending)
    calls: Calls = memo["gemini"]
    return calls


def _outstanding(calls: Calls, asked: Question, config: GeminiConfig) -> bool:
    """Whether the question is to be asked now."""
    if calls.asked_here(asked.key):
        return False  # Ask at most once per start; the outcome holds until the next start.
    if calls.in_job(asked.key):
        return True
    if calls.in_progress(asked.key):
        # A batch job that was created is found by its display name; else nothing was charged.
        return bool(calls.batch_of(asked.key)) or config.unknown == "ask"
    reply = calls.reply(asked.key)
    if reply is not None:
        fault = fault_of(reply, asked.model)
        return fault == "model" or fault in config.again
    return not calls.reason(asked.key) or "refused" in config.again


def _answer(calls: Calls, asked: Question) -> tuple[Answer, str]:
    """The answer and its provenance; raises `UnusableAnswer` if there is none."""
    reply = calls.reply(asked.key)
    if reply is None:
        known = calls.reason(asked.key) or (UNKNOWN if calls.in_progress(asked.key) else "")
        raise UnusableAnswer("", known or calls.temporary_reason(asked.key) or "not asked yet")
    answer = answer_of(reply, asked.model)
    note = f"; {answer.note}" if answer.note else ""
    return answer, f"{version_of(reply)}, reply {asked.key}{note}"


def _candidates(
    feature: str, answer: Answer, provenance: str, count: int
) -> Iterator[LabelCandidate]:
    for rank, concept in enumerate(answer.concepts[:count], start=1):
        yield LabelCandidate(
            feature=feature,
            rank=rank,
            text=concept.name,
            confidence=concept.confidence,
            description=concept.description,
            provenance=provenance,
        )


def _write_replies(
    context: SaeContext, method: str, calls: Calls, asked: Sequence[Question]
) -> None:
    """Write overall names and raw replies beside the labels."""
    writer = context.tables.writer
    if writer is None:
        return
    rows, lines = [], []
    for one in asked:
        reply = calls.reply(one.key)
        if reply is not None:
            clips = [clip.clip for clip in one.clips]
            line = {"key": one.key, "feature": one.feature, "clips": clips, "reply": reply}
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
        try:
            answer, _ = _answer(calls, one)
        except UnusableAnswer:
            continue
        if answer.overall is None:
            continue
        rows.append(
            OverallRecord(
                feature=one.feature,
                name=answer.overall.name,
                summary=answer.overall.summary,
                confidence=answer.overall.confidence,
                model_version=version_of(reply or {}),
                reply=one.key,
            )
        )
    folder = f"labels/{context.sae}/{method}"
    writer.write_table(f"{folder}/overall.parquet", table_of(OverallRecord, rows))
    # A lone surrogate, which UTF-8 cannot hold, stays in the form of its JSON escape.
    data = "".join(lines).encode(errors="backslashreplace")
    writer.write_bytes(f"{folder}/replies.jsonl", data)
