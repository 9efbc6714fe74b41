"""Studies are made from a run, frozen, opened, paused and closed. A frozen study never changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from studyapp.core import clock
from studyapp.core.errors import StudyError
from studyapp.jobs.services import jobs
from studyapp.models import Item, Job, Response, Run, Study, StudySeries
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.recruitment.services import configuration
from studyapp.studies import analysis_plan, contrasts
from studyapp.studies.selectors import studies as selectors
from studyapp.studies.services import (
    check_sounds,
    design,
    drawing,
    frames,
    items,
    preview_copies,
    protocol,
    quality_rules,
    selection,
    series,
    synthetic_items,
)
from studyapp.studies.services.items import Progress
from studyapp.studies.settings import editable, every_setting

MOMENTS: dict[str, str] = {Study.State.OPEN: "opened_at", Study.State.CLOSED: "closed_at"}
"""State → the column that says since when a study has it."""
REPORT = "report"
"""Kind of the job that makes a study's report; see `studyapp.jobs.tasks.WORK`."""


def create_study(
    *,
    run: Run,
    methods: Sequence[str],
    more_runs: Sequence[Run] = (),
    replaces: Study | None = None,
    within: Callable[[Study], None] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Study:
    """Make a draft of the next version of a slug; its items are written in one transaction.

    `settings` are those of `studies/settings.py`, and `project` and `created_by`. The draft takes
    the place of `replaces`. `within(study)` is called at the end of the transaction;
    `progress(done, total)` counts stimuli, which are made before it. Raises `StudyError` for an
    unknown method, a slug of another project, a number out of range, too few eligible features,
    or a clip without sound.
    """
    study = _unsaved([run, *more_runs], settings)
    runs = [run, *more_runs]
    _check_choices(study)
    if not study.kind.has_labels:
        methods = [study.kind.trial_type]
    check(study, runs, methods)
    pool = selectors.pools(runs=runs, methods=methods, saes=study.saes, steered=study.kind.steered)
    study.left_out = selection.left_out(study, pool, methods)
    drawn = selection.choose(study, pool, methods)
    planned = items.draw_items(study, methods, pool, drawn)
    stimuli = items.make_stimuli(planned, study, progress)
    study.check_sounds = dict(check_sounds.make_check_sounds(study))
    with transaction.atomic():
        if replaces is not None:
            discard(replaces)
        study.series = series.claim(slug=study.slug, project=study.project)
        study.version = _next_version(study.series)
        study.save()
        study.runs.add(*runs)
        items.write_items(study, planned, stimuli)
        seconds = next(iter(stimuli.values())).seconds
        Item.objects.bulk_create(synthetic_items.practice_items(study=study, seconds=seconds))
        Item.objects.bulk_create(synthetic_items.catch_items(study=study, seconds=seconds))
        frames.check_draw(study)
        if within is not None:
            within(study)
    return study


def _unsaved(runs: Sequence[Run], settings: Mapping[str, Any]) -> Study:
    """The study as it would be; what its selection of features leaves open follows from the runs.

    A list counts as the selection if one is given, and as a whole if no number is given.
    """
    given = dict(settings)
    if not given.get("selection"):
        implied = {"listed": Study.Selection.LIST, "best_by": Study.Selection.BEST}
        given["selection"] = next((how for name, how in implied.items() if given.get(name)), None)
    if given["selection"] == Study.Selection.LIST and not given.get("features_wanted"):
        given["features_wanted"] = len(set(given.get("listed") or [1]))
    if given["selection"] == Study.Selection.BEST and not given.get("best_by"):
        given["best_by"] = selection.default_best_by(runs)
    if given.get("option_policy") == Study.OptionPolicy.PAIR and not given.get("contrasts"):
        given["contrasts"] = contrasts.proposed(selectors.dosed(runs))
    return protocol.unsaved(**given)


def discard(study: Study) -> None:
    """Delete a draft. Raises `StudyError` if the study is frozen: it is kept."""
    with transaction.atomic():
        locked = Study.objects.select_for_update().filter(pk=study.pk, state=Study.State.DRAFT)
        if not locked.exists():
            raise StudyError(f"{study} is frozen: an edit needs a new version")
        preview_copies.sweep(study=study)
        locked.delete()
        series.release(study.series)


def delete_empty(study: Study) -> None:
    """Delete a study that nobody took part in, with its personal links.

    Raises `StudyError` while it is open, if anyone has followed its link, simulated listeners
    included, or if something was asked of a recruiting service for it.
    """
    with transaction.atomic():
        locked = Study.objects.select_for_update().get(pk=study.pk)
        if locked.state == Study.State.OPEN:
            raise StudyError(f"{study} is open: pause or close it first")
        if locked.participations.exists():
            raise StudyError(f"{study} has participations: what people gave is kept")
        if recruitment_selectors.actions(locked, newest=1):
            raise StudyError(f"{study} has asked something of a recruiting service: that is kept")
        preview_copies.sweep(study=locked)
        locked.delete()
        series.release(study.series)


def update_study(*, study: Study, **changes: Any) -> Study:
    """Change a draft. Raises `StudyError` if it is frozen or a setting is not editable."""
    known = sorted(editable())
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise StudyError(f"cannot change {', '.join(unknown)}: only {', '.join(known)}")
    for name, value in changes.items():
        setattr(study, name, value)
    _check_numbers(study)
    protocol.check(study)
    frames.check_draw(study)
    changed = Study.objects.filter(pk=study.pk, state=Study.State.DRAFT).update(**changes)
    if not changed:
        raise StudyError(f"{study} is frozen: an edit needs a new version")
    return study


def freeze(study: Study) -> Study:
    """Freeze a draft permanently and store its design hash.

    Raises `StudyError` if it is not a draft, if its report would refuse its analysis plan, or if it
    recruits through a service without its codes.
    """
    with transaction.atomic():
        locked = Study.objects.select_for_update().get(pk=study.pk)
        if locked.state != Study.State.DRAFT:
            raise StudyError(f"{study} is {locked.state}: only a draft can be frozen")
        service = recruitment_selectors.of_study(locked).service
        configuration.check_service(study=locked, service=service)
        _check_plan(locked)
        locked.state = Study.State.FROZEN
        locked.frozen_at = timezone.now()
        locked.design_hash = design_hash(locked)
        locked.save(update_fields=["state", "frozen_at", "design_hash"])
    study.refresh_from_db()
    return study


def open_study(study: Study) -> Study:
    """Let participants in.

    Raises `StudyError` unless the study is frozen or paused, is what was frozen, and no other
    version of its slug is open.
    """
    study.refresh_from_db()
    if study.design_hash and design_hash(study) != study.design_hash:
        raise StudyError(f"{study} has changed since it was frozen: its design hash differs")
    try:
        return _move(study, (Study.State.FROZEN, Study.State.PAUSED), Study.State.OPEN)
    except IntegrityError as error:
        raise StudyError(f"another version of {study.slug} is open: close it first") from error


def pause(study: Study) -> Study:
    """Let nobody new in; participants with a place may finish. Raises `StudyError` unless open."""
    return _move(study, (Study.State.OPEN,), Study.State.PAUSED)


def close(study: Study) -> Study:
    """End the study permanently, including for participants who have begun, and ask for its report.

    Raises `StudyError` for a draft and for a closed study.
    """
    before = (Study.State.FROZEN, Study.State.OPEN, Study.State.PAUSED)
    with transaction.atomic():
        closed = _move(study, before, Study.State.CLOSED)
        # Without an answer there is nothing to report.
        if Response.objects.filter(trial__participation__study=study).exists():
            jobs.enqueue(kind=REPORT, target=study.pk, queue=Job.Queue.CPU)
    return closed


def design_hash(study: Study) -> str:
    """SHA-256 over settings, conditions, items, their options and stimuli."""
    return design.hash_of(design.document(study))


def _move(study: Study, before: Sequence[str], after: str) -> Study:
    """Change the state by one conditional update, so that of two requests only one succeeds."""
    with transaction.atomic():
        found = Study.objects.filter(pk=study.pk, state__in=before)
        moment = {MOMENTS[after]: clock.now()} if after in MOMENTS else {}
        moved = found.update(state=after, **moment)
    study.refresh_from_db()
    if not moved:
        raise StudyError(f"{study} is {study.state}: it must be {' or '.join(before)}")
    return study


def check(study: Study, runs: Sequence[Run], methods: Sequence[str]) -> None:
    """Raise `StudyError` for every fault that shows before anything is drawn."""
    protocol.check(study)
    series.check(slug=study.slug, project=study.project)
    _check_numbers(study)
    if len({run.pk for run in runs}) != len(runs):
        raise StudyError(f"the same run is given twice: {', '.join(map(str, runs))}")
    for run in runs:
        if study.kind.has_labels:
            _check_methods(run, methods)
    _check_saes(runs, study.saes)
    selection.check(study, runs)
    _check_words(study, methods)


def _check_choices(study: Study) -> None:
    """Check what everything else depends on."""
    for name, choices in (("design", Study.Design), ("option_policy", Study.OptionPolicy)):
        value = getattr(study, name)
        if value not in choices.values:
            raise StudyError(f"{name} is {value!r}; known: {', '.join(choices.values)}")


def _check_saes(runs: Sequence[Run], saes: Sequence[str]) -> None:
    known = {sae for run in runs for sae in selectors.saes_of(run)}
    unknown = [sae for sae in saes if sae not in known]
    if unknown:
        have = ", ".join(sorted(known)) or "none"
        raise StudyError(f"there is no SAE {', '.join(unknown)} in these runs: they have {have}")


def _check_numbers(study: Study) -> None:
    """Check every number; the message names value and limits."""
    _check_choices(study)
    for one in every_setting():
        value = getattr(study, one.name)
        if one.limits and not one.limits[0] <= value <= one.limits[1]:
            low, high = one.limits
            raise StudyError(f"{one.name} is {value}: it must be from {low} to {high}")
    unknown = [name for name in study.strata if name not in drawing.STRATA]
    if unknown:
        raise StudyError(f"strata must be from {', '.join(drawing.STRATA)}, not {unknown[0]!r}")
    quality_rules.check_rules(study.quality_rules)
    _check_plan(study)
    configuration.check_codes(study.codes)
    _check_extra_trials(study)
    if study.trials_per_participation > study.features_wanted:
        raise StudyError(
            f"{study.trials_per_participation} trials need as many different features, "
            f"but features_wanted is {study.features_wanted}"
        )


def _check_plan(study: Study) -> None:
    if problem := analysis_plan.problem_with(study.analysis_plan):
        raise StudyError(problem)


def _check_extra_trials(study: Study) -> None:
    """Check the design, and the trials that are extra to the main ones."""
    if study.may_choose_none and not study.kind.none_answer:
        raise StudyError(f"may_choose_none does not fit trials of the kind {study.option_policy}")
    if study.kind.steered and (problem := contrasts.problem_with(study.contrasts)):
        raise StudyError(problem)
    if study.contrasts and not study.kind.steered:
        raise StudyError(f"contrasts are for pairs, but option_policy is {study.option_policy}")
    limits = {
        "catch_trials": min(len(synthetic_items.CATCHES), study.trials_per_participation),
        "repeat_trials": study.trials_per_participation // 2,
    }
    for name, most in limits.items():
        if not 0 <= getattr(study, name) <= most:
            raise StudyError(f"{name} is {getattr(study, name)}: it must be from 0 to {most}")


def _check_methods(run: Run, methods: Sequence[str]) -> None:
    known = selectors.methods_of(run)
    unknown = [method for method in methods if method not in known]
    if unknown:
        have = ", ".join(known) or "none"
        raise StudyError(f"{run} has no labels by {', '.join(unknown)}: it has {have}")
    if not methods or len(set(methods)) != len(methods):
        raise StudyError(f"methods must be one or more distinct names, not {list(methods)}")


def _check_words(study: Study, methods: Sequence[str]) -> None:
    """Check the slug, and that slug and title do not tell participants what is compared."""
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,60}", study.slug):
        raise StudyError(f"slug is {study.slug!r}; use up to 60 letters, digits, - and _")
    for name in ("slug", "title"):
        value = getattr(study, name)
        told = [method for method in methods if method.casefold() in value.casefold()]
        if told:
            raise StudyError(
                f"the {name} {value!r} is shown to participants and must not mention a method "
                f"({told[0]})"
            )


def _next_version(of: StudySeries) -> int:
    newest = of.studies.order_by("-version").first()
    return newest.version + 1 if newest else 1
