"""What labeling methods have in common that ask a paid service over the network.

The exemplars are concatenated in an order drawn from the seed and sent with a prompt and a schema
(Singh, Cherep and Maes, arXiv 2505.18186). The concepts, by confidence, are the candidates. The
overall name is stored in `labels/NAME/METHOD/overall.parquet` and is not an option in a study.
`METHOD@MODEL` asks another model than the section's `model`, so that several models can be
compared.

Every call is recorded in a ledger before it is made, and so is every raw reply; see `remote.calls`.
The budget covers the whole run, all SAEs and all models of the section together. If the key is not
accepted, the service is down or another model answers, the stage stops and is not done. These
methods do not score tracks; their labels are scored with CLAP.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar

from pipeline.config import RunConfig
from pipeline.context import SaeContext, open_context
from pipeline.errors import PipelineError
from pipeline.labelers.base import Labeler, failed
from pipeline.labelers.remote import costs
from pipeline.labelers.remote.answers import Answer, UnusableAnswer
from pipeline.labelers.remote.api import Api
from pipeline.labelers.remote.calls import Calls, unknown
from pipeline.labelers.remote.costs import ledger_of, spending_of
from pipeline.labelers.remote.faults import UnansweredError
from pipeline.labelers.remote.questions import SCHEMA, Question, prompt_of, question, sound_of
from pipeline.labelers.remote.records import Asked, candidates, write_answers
from pipeline.labelers.remote.service import Service
from pipeline.store.tables import FeatureRecord, LabelCandidate


class Remote(Labeler):
    """Labels features by asking a service."""

    takes_variant: ClassVar[bool] = True
    one_piece: ClassVar[bool] = True
    method: ClassVar[str]
    """The method's name in the registry, without a variant."""

    @abstractmethod
    def api(self, config: RunConfig) -> Api:
        """The service."""

    @abstractmethod
    def model(self, config: RunConfig) -> str:
        """The model that this method asks, by the service's name for it."""

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """Fingerprint of the prompt and the schema."""
        api = self.api(config)
        whole = prompt_of(api.config, api.section) + json.dumps(SCHEMA, sort_keys=True)
        return {api.section: hashlib.sha256(whole.encode()).hexdigest()}

    def prepare(self, context: SaeContext) -> None:
        """Ask the questions without an answer; then write overall names and raw replies."""
        named = [one.feature for one in context.features if context.exemplars.get(one.feature)]
        api, asked = self._questions(context, named)
        calls = self._calls(context, api)
        self._ask(context, calls, api, asked)
        write_answers(context, self._name, [_asked(api, calls, one) for one in asked])

    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The concepts of each feature's answer; see the module docstring."""
        named = [one.feature for one in features if context.exemplars.get(one.feature)]
        api, listed = self._questions(context, named)
        asked = {one.feature: one for one in listed}
        calls = self._calls(context, api)
        self._ask(context, calls, api, listed)
        for name in (feature.feature for feature in features):
            if name not in asked:
                yield failed(name, "the feature has no exemplars")
                continue
            try:
                answer, provenance = _answer(api, calls, asked[name])
            except UnusableAnswer as error:
                yield failed(name, str(error))
                continue
            yield from candidates(name, answer, provenance, context.config.labels.candidates)

    @property
    def _name(self) -> str:
        return f"{self.method}@{self.variant}" if self.variant else self.method

    def _questions(self, context: SaeContext, named: Sequence[str]) -> tuple[Api, list[Question]]:
        """The service, and the question about each of these features."""
        api, model = self.api(context.config), self.model(context.config)
        return api, [question(context, name, model, api) for name in named]

    def _ask(self, context: SaeContext, calls: Calls, api: Api, asked: Sequence[Question]) -> None:
        """Ask the outstanding questions, if the budget allows it."""
        todo = [one for one in asked if outstanding(calls, one, api)]
        if not todo or context.tables.unfinished:
            return
        self.ready(context.config)
        context.progress.note(f"{self._name}, {context.sae}: {costs.summary(api, todo)}")
        context.progress.start(f"labels {context.sae} {self._name} asks", len(todo), "feature")
        try:
            self.ask(context, calls, api, todo)
        except UnansweredError as error:
            context.tables.unfinished = str(error)
        finally:
            api.close()
            context.progress.finish()

    def ask(self, context: SaeContext, calls: Calls, api: Api, todo: Sequence[Question]) -> None:
        """Ask these questions; afterwards all replies are in the ledger.

        Raises `UnansweredError` if some have no answer yet, `PipelineError` if the budget does not
        cover them.
        """
        self.check_budget(context, calls, api, todo)
        sound = partial(sound_of, context, api)
        Service(api, calls, sound).ask(todo, advance=context.progress.advance)

    def check_budget(
        self, context: SaeContext, calls: Calls, api: Api, todo: Sequence[Question]
    ) -> None:
        """Raise `PipelineError` if the run may exceed its budget; checked once per stage."""
        memo, key = context.tables.memo, f"{self.method} budget"
        if memo.setdefault(key, "") == "checked":
            return
        memo[key] = "checked"
        asked = {one.key: one for one in (*todo, *self._of_the_run(context, calls, api))}
        new = [one for key, one in asked.items() if not calls.in_job(key)]
        needed, spent = sum(costs.estimated(api, one) for one in new), calls.dollars
        if spent + needed > api.config.budget_dollars:
            raise PipelineError(
                f"{self.method} may cost ${needed:.2f} for {len(new)} questions of this run on top "
                f"of ${spent:.2f}, over [{api.section}] budget_dollars of "
                f"{api.config.budget_dollars:g}; nothing was asked"
            )

    def _of_the_run(self, context: SaeContext, calls: Calls, api: Api) -> Iterator[Question]:
        """The outstanding questions for all SAEs of the run, by all models of this method."""
        config = context.config
        given = [method.partition("@") for method in config.labels.methods]
        models = [type(self)(own).model(config) for name, _, own in given if name == self.method]
        for sae in context.directory.sae_names():
            own = context
            if sae != context.sae:
                own = open_context(config, context.directory, sae, progress=context.progress)
            for feature in own.features:
                if own.exemplars.get(feature.feature):
                    for model in models:
                        one = question(own, feature.feature, model, api)
                        if outstanding(calls, one, api):
                            yield one

    def _calls(self, context: SaeContext, api: Api) -> Calls:
        """The calls in the ledger, which is read once per stage."""
        memo = context.tables.memo
        if self.method not in memo:
            ledger = ledger_of(api, context.directory)
            spending = spending_of(api, context.directory)
            memo[self.method] = Calls(ledger, api.secret, spending)
        calls: Calls = memo[self.method]
        return calls


def outstanding(calls: Calls, asked: Question, api: Api) -> bool:
    """Whether the question is to be asked now."""
    config = api.config
    if calls.asked_here(asked.key):
        return False  # Ask at most once per start; the outcome holds until the next start.
    if calls.in_job(asked.key):
        return True
    if calls.in_progress(asked.key):
        # A batch job that was created is found by its display name; else nothing was charged.
        return bool(calls.batch_of(asked.key)) or config.unknown == "ask"
    reply = calls.reply(asked.key)
    if reply is not None:
        fault = api.fault_of(reply, asked.model)
        return fault == "model" or fault in config.again
    return not calls.reason(asked.key) or "refused" in config.again


def _answer(api: Api, calls: Calls, asked: Question) -> tuple[Answer, str]:
    """The answer and its provenance; raises `UnusableAnswer` if there is none."""
    reply = calls.reply(asked.key)
    if reply is None:
        lost = unknown(api.section) if calls.in_progress(asked.key) else ""
        known = calls.reason(asked.key) or lost
        raise UnusableAnswer("", known or calls.temporary_reason(asked.key) or "not asked yet")
    answer = api.answer_of(reply, asked.model)
    said = (f"{api.version_of(reply)}, reply {asked.key}", api.note_on(reply), answer.note)
    return answer, "; ".join(filter(None, said))


def _asked(api: Api, calls: Calls, one: Question) -> Asked:
    """A question with its reply and its answer."""
    reply = calls.reply(one.key)
    version = api.version_of(reply or {})
    try:
        return Asked(one, reply, version, _answer(api, calls, one)[0])
    except UnusableAnswer as error:
        return Asked(one, reply, version, None, str(error))
