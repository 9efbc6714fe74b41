"""What a run will take before it starts: from its config's shapes, and from the runs done here."""

from collections.abc import Mapping
from typing import Any

from studyapp.models import Run
from studyapp.services.runs import RunError, is_remote


def plan_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a run under a config will take: sizes from its shapes, hours from the runs done here.

    `hours` is None where no run of the same subject model was done; `remote` names the methods that
    a remote service charges for; `dollars` is what they may cost for `features`, which is the share
    of latents that such a run kept: None where there is none. Raises `RunError` if the config or
    its corpus is refused.
    """
    from dataclasses import asdict

    from pipeline.config import config_from_dict
    from pipeline.errors import PipelineError
    from pipeline.plan import plan

    try:
        found = plan(config_from_dict(config))
    except PipelineError as error:
        raise RunError(str(error)) from error
    methods = config.get("labels", {}).get("methods") or ()
    features = _features(config, found.latents)
    return {
        **asdict(found),
        "total_bytes": found.total_bytes,
        "hours": _hours(config, found.tracks),
        "remote": [one for one in methods if is_remote(one)],
        "features": features,
        "most_dollars": (found.latents or 0) * found.dollars_a_feature,
        "dollars": None if features is None else features * found.dollars_a_feature,
        "budget": config.get("gemini", {}).get("budget_dollars"),
    }


def _hours(config: Mapping[str, Any], tracks: int | None) -> float | None:
    """Hours, by seconds a track of the newest run of the same subject; None if there is none."""
    model = config.get("subject", {}).get("model")
    for run in Run.objects.filter(state=Run.State.DONE).prefetch_related("stages")[:50]:
        stages = list(run.stages.all())
        done = next((s.done for s in stages if s.stage == "activations"), 0)
        seconds = sum(stage.seconds or 0.0 for stage in stages)
        if tracks and done and seconds and run.config.get("subject", {}).get("model") == model:
            return seconds / done * tracks / 3600
    return None


def _features(config: Mapping[str, Any], latents: int | None) -> int | None:
    """Features to be kept, by the share that the newest run of the same subject kept."""
    from pipeline.config import config_from_dict
    from pipeline.plan import latents_of

    model = config.get("subject", {}).get("model")
    for run in Run.objects.filter(state=Run.State.DONE)[:50]:
        kept = run.facets.get("features")
        if kept and run.config.get("subject", {}).get("model") == model:
            theirs = latents_of(config_from_dict(run.config))
            return round(latents * kept / theirs) if latents and theirs else None
    return None
