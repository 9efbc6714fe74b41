"""`gemini`: Gemini listens to a feature's exemplars and proposes concepts; see `remote.labeler`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from typing import ClassVar

from pipeline.config import RunConfig
from pipeline.context import SaeContext
from pipeline.errors import PipelineError
from pipeline.labelers.gemini.address import base_url_of
from pipeline.labelers.gemini.api import GeminiApi, key_of
from pipeline.labelers.remote.api import Api
from pipeline.labelers.remote.calls import Calls
from pipeline.labelers.remote.faults import UnansweredError
from pipeline.labelers.remote.labeler import Remote
from pipeline.labelers.remote.questions import Question, sound_of
from pipeline.labelers.remote.service import Service


class Gemini(Remote):
    """Labels features by asking Gemini."""

    method: ClassVar[str] = "gemini"

    def api(self, config: RunConfig) -> GeminiApi:
        """Gemini, with this config's prices."""
        return GeminiApi(config.gemini)

    def model(self, config: RunConfig) -> str:
        """The variant, else the config's model."""
        return self.variant or config.gemini.model

    def ready(self, config: RunConfig) -> None:
        """Raise `PipelineError` if the key or the package is missing, or the address may not
        receive the key."""
        if find_spec("google") is None or find_spec("google.genai") is None:
            raise PipelineError("gemini needs the package google-genai: pip install '.[gemini]'")
        key_of()
        base_url_of(config.gemini)

    def ask(self, context: SaeContext, calls: Calls, api: Api, todo: Sequence[Question]) -> None:
        """Ask the questions that are in no batch job, and fetch the results of existing jobs.

        Results that were paid for are fetched in any case: even if `[gemini] batch` has been unset
        since, and before an error that stops the rest is raised.
        """
        from pipeline.labelers.gemini import batches

        own = self.api(context.config)
        advance, sound = context.progress.advance, partial(sound_of, context, own)
        batches.find(own, calls, todo)
        waiting = [one for one in todo if calls.in_job(one.key)]
        fresh = [one for one in todo if not calls.in_job(one.key)]
        stop: PipelineError | UnansweredError | None = None
        try:
            self.check_budget(context, calls, own, fresh)
            if fresh and not own.config.batch:
                Service(own, calls, sound).ask(fresh, advance=advance)
        except (PipelineError, UnansweredError) as error:
            stop = error
        jobs = todo if own.config.batch and stop is None else waiting
        if jobs:
            batches.ask(own, calls, jobs, sound, advance)
        if stop is not None:
            raise stop
