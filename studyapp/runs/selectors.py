"""Queries for the pages of runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from studyapp.core.text import hours_in_words
from studyapp.models import Run, StageRecord

STEERING = "steering-evaluation"
NAME_LENGTH = 100
"""Maximum length of a run's name; as in its column."""


@dataclass(frozen=True)
class RunOverview:
    """The content of a run's page."""

    run: Run
    stages: list[StageRecord]
    features: int
    set_aside: dict[str, int]
    """Reason → number of tracks that the corpus stage excluded."""

    summaries: list[tuple[str, list[tuple[str, str]]]]
    """Stage → its summary in the manifest, as names and values."""
    config: list[tuple[str, str]]

    findings: dict[str, Any]
    """Stage → what it found, as stored; see `StageFindings`."""
    can_redo: bool
    """Whether a finished stage may be re-run: nothing depends on it, and it was made here."""

    @property
    def is_under_way(self) -> bool:
        """Whether the run is queued or running, so that its page is worth reloading."""
        return self.run.state in Run.UNDER_WAY

    @property
    def stamp(self) -> str:
        """What the page shows besides progress; if it differs, the page must be loaded again."""
        done = sum(stage.state == StageRecord.State.DONE for stage in self.stages)
        return f"{self.run.state}-{done}-{len(self.findings)}"

    @property
    def duration(self) -> str:
        """How long the finished stages took in all, in words."""
        seconds = sum(stage.seconds or 0.0 for stage in self.stages)
        return f"{seconds:.0f} s" if seconds < 60 else hours_in_words(seconds / 3600)

    @property
    def tracks_set_aside(self) -> int:
        """Number of excluded tracks, for any reason."""
        return sum(self.set_aside.values())


def all_runs() -> QuerySet[Run]:
    """Return every run, the newest first, with its number of features."""
    return Run.objects.annotate(feature_count=Count("features")).order_by("-created_at")


def every_run() -> QuerySet[Run]:
    """Return every run, without counts."""
    return Run.objects.all()


def by_id(pk: int) -> Run | None:
    """Return the run with that primary key."""
    return Run.objects.select_related("project").filter(pk=pk).first()


def named(name: str) -> Run | None:
    """Return the run with that name."""
    return Run.objects.filter(name=name).first()


def next_name(name: str) -> str:
    """Return a free name for another run like `name`: its words and the next number."""
    stem = re.sub(r" \d+$", "", name)
    numbers = [
        int(found[1])
        for taken in Run.objects.filter(name__startswith=stem).values_list("name", flat=True)
        if (found := re.fullmatch(re.escape(stem) + r" (\d{1,6})", taken))
    ]
    number = f" {max(numbers, default=1) + 1}"
    return stem[: NAME_LENGTH - len(number)] + number


def stages_of(run: Run) -> list[StageRecord]:
    """Return the run's stages in order, from the database."""
    return list(StageRecord.objects.filter(run=run).order_by("order"))


def state_of(run: Run) -> tuple[str, str]:
    """Return the run's state and error, from the database."""
    return Run.objects.values_list("state", "error").get(pk=run.pk)


def overview(run: Run) -> RunOverview:
    """Return the content of the run's page."""
    stages = stages_of(run)
    corpus: dict[str, Any] = next((s.summary for s in stages if s.stage == "corpus"), {})
    set_aside = corpus.get("set_aside") or {}
    summaries = [(s.stage, facts(s.summary)) for s in stages if s.summary]
    for place, stage in enumerate(stages):
        later = stages[place + 1 :]
        stage.follows = [one.stage for one in later if one.state == StageRecord.State.DONE]
    imported = run.origin in Run.ELSEWHERE or run.directory.startswith("/")
    can_redo = not imported and not run.studies.exists()
    return RunOverview(
        run=run,
        stages=stages,
        features=run.features.count(),
        set_aside=set_aside,
        summaries=summaries,
        config=facts(run.config),
        findings=findings_of(run),
        can_redo=can_redo,
    )


def findings_of(run: Run) -> dict[str, Any]:
    """Stage → what it found, as stored, without steering: that has a page of its own, and its
    ranking of all kept features may be long."""
    return dict(run.findings.exclude(stage=STEERING).values_list("stage", "data"))


def is_steered(run: Run) -> bool:
    """Whether steering was evaluated on the run."""
    return run.findings.filter(stage=STEERING).exists()


def steering_of(run: Run) -> dict[str, Any] | None:
    """What an evaluation of steering found, as stored; None if there is none."""
    return run.findings.filter(stage=STEERING).values_list("data", flat=True).first()


def finished() -> QuerySet[Run]:
    """Return runs that are done, the newest first."""
    return Run.objects.filter(state=Run.State.DONE).order_by("-created_at")


def known_places(runs: QuerySet[Run]) -> dict[str, list[str]]:
    """Field → corpus folders or subject models that these runs have in it."""
    configs = [*runs.values_list("config", flat=True)[:50]]
    asked = {"corpus.path": ("corpus", "path"), "subject.model": ("subject", "model")}
    return {
        field: [*dict.fromkeys(c[section][key] for c in configs if c.get(section, {}).get(key))]
        for field, (section, key) in asked.items()
    }


def comparison(runs: list[Run]) -> dict[str, Any]:
    """Compare runs: outcomes first, then every line in which their configs differ."""
    stages = {run.pk: stages_of(run) for run in runs}
    outcomes: list[tuple[str, list[str]]] = [
        ("state", [run.get_state_display() for run in runs]),
        ("features kept", [str(run.facets.get("features", "–")) for run in runs]),
        ("identifier", [run.identifier or "–" for run in runs]),
    ]
    for place, stage in enumerate(stages[runs[0].pk] if runs else []):
        rows = [stages[run.pk][place] if place < len(stages[run.pk]) else None for run in runs]
        seconds = [f"{s.seconds:.1f} s" if s and s.seconds is not None else "–" for s in rows]
        outcomes.append((f"time of {stage.stage}", seconds))
    configs = [dict(facts(run.config)) for run in runs]
    names = dict.fromkeys(name for config in configs for name in config)
    lines = [(name, [config.get(name, "–") for config in configs]) for name in names]
    differing = [(name, values) for name, values in lines if len(set(values)) > 1]
    return {
        "runs": runs,
        "outcomes": outcomes,
        "differing": differing,
        "same": len(lines) - len(differing),
    }


def facts(tree: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Flatten a nested mapping to a list of names and values, written as words."""
    flat: list[tuple[str, str]] = []
    for name, value in tree.items():
        full = f"{above} · {name}" if above else str(name)
        if isinstance(value, Mapping):
            flat += facts(value, full) or [(full, "none")]
        elif isinstance(value, list):
            flat.append((full, ", ".join(map(str, value)) or "none"))
        elif isinstance(value, float):
            flat.append((full, f"{value:.6g}"))
        else:
            flat.append((full, str(value)))
    return flat
