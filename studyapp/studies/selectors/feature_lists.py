"""Reads for lists of features."""

from __future__ import annotations

from collections.abc import Sequence

from studyapp.models import Feature, FeatureList, Run


def of_run(run: Run) -> list[FeatureList]:
    """The run's lists, the last changed first."""
    return list(run.lists.order_by("-changed_at", "-pk"))


def of_runs(runs: Sequence[Run]) -> list[FeatureList]:
    """The lists of these runs with their runs, by run and name."""
    found = FeatureList.objects.filter(run__in=runs).select_related("run")
    return list(found.order_by("run", "name"))


def by_id(run: Run, pk: int) -> FeatureList | None:
    """A list of the run."""
    return run.lists.select_related("run__project").filter(pk=pk).first()


def named(run: Run, name: str) -> FeatureList | None:
    """The run's list of that name, ignoring case."""
    return run.lists.filter(name__iexact=name).first()


def members(row: FeatureList, start: int = 0, size: int | None = None) -> list[Feature]:
    """The list's features that the run still has, in the list's order."""
    wanted = row.members[start:] if size is None else row.members[start : start + size]
    found = {
        feature.identifier: feature
        for feature in Feature.objects.filter(run=row.run_id, identifier__in=wanted)
    }
    return [found[name] for name in wanted if name in found]


def listed(row: FeatureList) -> list[str]:
    """The members as `Study.listed` has them."""
    return [f"{row.run.identifier}/{name}" for name in row.members]
