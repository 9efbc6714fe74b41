"""Queries for recruitment: how a study admits participants, and how each of them came."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Count, Q, QuerySet

from studyapp.core.database.prepared import prepared
from studyapp.models import (
    EntryToken,
    ListedPerson,
    ParticipantGroup,
    Participation,
    PersonList,
    Recruitment,
    RecruitmentAction,
    Study,
    StudySeries,
)


def of_study(study: Study) -> Recruitment:
    """Return the study's recruitment; by default it admits anyone with the link."""
    return next(iter(_of_study(study.pk)), None) or Recruitment(study=study)


@prepared
def _of_study(study: int) -> QuerySet[Recruitment]:
    return Recruitment.objects.filter(study=study).order_by("pk")


def token_by_digest(*, slug: str, digest: str) -> EntryToken | None:
    """Return the token with that digest, for any version of the study, unless it was revoked."""
    found = EntryToken.objects.filter(digest=digest, study__series__slug=slug, revoked_at=None)
    return found.select_related("study").first()


def has_tokens(study: Study) -> bool:
    """Whether any version of the study has a token that still works."""
    return EntryToken.objects.filter(study__series=study.series_id, revoked_at=None).exists()


def bound_to(token: EntryToken) -> Participation | None:
    """Return the participation of a single-use token, if it has one."""
    if token.kind != EntryToken.Kind.SINGLE:
        return None
    return Participation.objects.select_related("study").filter(entry=token).first()


def by_external_keys(study: Study, keys: set[str]) -> dict[str, Participation]:
    """Keyed hash → participation, in any version of the study."""
    found = Participation.objects.select_related("study")
    rows = found.filter(study__series=study.series_id, external_key__in=keys)
    rows = rows.exclude(external_key="")  # As the index does, which SQLite finds only so.
    return {row.external_key: row for row in rows.order_by("study__version")}


def anywhere_by_external_key(*, service: str, key: str) -> list[Participation]:
    """Return the participations with that keyed hash in all studies of the service."""
    # By its studies, of which there are few: the index begins with the study.
    studies = list(Recruitment.objects.filter(service=service).values_list("study", flat=True))
    found = Participation.objects.select_related("study").filter(study__in=studies)
    own = found.filter(external_key=key).exclude(external_key="").order_by()
    return sorted(own, key=lambda one: one.pk)


def of_person(study: Study, person_key: str) -> Participation | None:
    """Return the person's participation in any version of the study; None for an unknown person."""
    if not person_key:
        return None
    found = Participation.objects.filter(study__series=study.series_id, person_key=person_key)
    return found.exclude(person_key="").first()  # As the index does, which SQLite finds only so.


def took_part_before(study: Study, person_key: str) -> bool:
    """Whether the person consented to a study that this one excludes, or is on a list that it
    keeps out."""
    if not person_key:
        return False
    earlier = Recruitment.excluded.through.objects.filter(recruitment__study=study)
    found = Participation.objects.exclude(person_key="").filter(
        person_key=person_key, study__series__in=earlier.values("studyseries")
    )
    listed = ListedPerson.objects.filter(
        person_key=person_key,
        list__in=Recruitment.excluded_lists.through.objects.filter(recruitment__study=study).values(
            "personlist"
        ),
    )
    if listed.exists():
        return True
    took_part = Q(status=Participation.Status.WITHDRAWN) | Q(consented_at__isnull=False)
    return found.filter(took_part).exists()


def series_of_project(study: Study) -> QuerySet[StudySeries]:
    """Return the other studies of the same project; of nobody's studies, none."""
    if study.project_id is None:
        return StudySeries.objects.none()
    return StudySeries.objects.filter(project=study.project_id).exclude(pk=study.series_id)


def lists_of_project(study: Study) -> QuerySet[PersonList]:
    """Return the lists of people of the study's project, with their numbers of people."""
    found = PersonList.objects.filter(project=study.project_id)
    return found.annotate(size=Count("people"))


def groups_of_project(study: Study) -> QuerySet[ParticipantGroup]:
    """Return the participant groups at Prolific that the study's project has made."""
    return ParticipantGroup.objects.filter(project=study.project_id)


def group_named(study: Study, name: str) -> ParticipantGroup | None:
    """Return the project's participant group of that name."""
    return groups_of_project(study).filter(name=name).first()


def tested(slug: str, test_study: str) -> Study | None:
    """Return the version of the study that has this test study at Prolific."""
    if not test_study:
        return None
    found = Study.objects.filter(series__slug=slug, recruitment__test_study=test_study)
    return found.order_by("-version").first()


def newest_test(study: Study) -> RecruitmentAction | None:
    """Return the step that made the study's present test study."""
    kind, state = RecruitmentAction.Kind.TEST, RecruitmentAction.State.CONFIRMED
    return RecruitmentAction.objects.filter(study=study, kind=kind, state=state).first()


def has_versions(slug: str) -> bool:
    """Whether there is a study with this slug."""
    return Study.objects.filter(series__slug=slug).exists()


def version_before(study: Study) -> Recruitment | None:
    """Return the recruitment of the newest earlier version of the study that has one."""
    found = Recruitment.objects.filter(
        study__series=study.series_id, study__version__lt=study.version
    )
    return found.order_by("-study__version").first()


def by_service(study: Study) -> list[Participation]:
    """Return the participations that claim to come from the recruiting service."""
    found = study.participations.exclude(external_key="").filter(simulated=False)
    return list(found.exclude(status=Participation.Status.WITHDRAWN).order_by("pk"))


def listed() -> list[Study]:
    """Return open and paused studies that have a study at Prolific."""
    at_prolific = Study.objects.filter(
        state__in=Study.UNDER_WAY, recruitment__service=Recruitment.Service.PROLIFIC
    )
    return list(at_prolific.exclude(recruitment__external_study=""))


def is_of_another_project(study: Study, external_study: str) -> bool:
    """Whether a study of another project has that study at the recruiting service."""
    found = Recruitment.objects.filter(external_study=external_study)
    others = found.exclude(study__series=study.series_id)
    if study.project_id is not None:
        others = others.exclude(study__project=study.project_id)
    return others.exists()


def actions(study: Study, *, newest: int = 50) -> list[RecruitmentAction]:
    """Return the newest actions at the recruiting service, newest first."""
    found = RecruitmentAction.objects.filter(study=study).select_related("by")
    return list(found[:newest])


def unresolved(study: Study) -> list[RecruitmentAction]:
    """Return the actions that wait for a person, or of which nobody knows whether they were done.

    Oldest first.
    """
    found = RecruitmentAction.objects.filter(study=study, state__in=RecruitmentAction.UNRESOLVED)
    return list(found.order_by("pk"))


def bonuses_paid(study: Study, target: str, cents: int) -> int:
    """Return how many bonuses of that amount were paid for the submission through this site."""
    paid = RecruitmentAction.objects.filter(
        study__series=study.series_id, kind=RecruitmentAction.Kind.BONUS,
        state=RecruitmentAction.State.CONFIRMED, content__cents=cents,
    ).values_list("target", "content__targets")  # fmt: skip
    return sum(target in (one, *(several or ())) for one, several in paid)


def action(study: Study, key: str) -> RecruitmentAction | None:
    """Return the study's action with that key."""
    found = RecruitmentAction.objects.select_related("study", "study__project")
    return found.filter(study=study, key=key).first()


def identifiers(study: Study, targets: Sequence[str]) -> dict[str, str]:
    """Keyed hash of a submission → the participation's identifier, in any version of the study."""
    found = by_external_keys(study, {one for one in targets if one})
    return {key: row.identifier for key, row in found.items()}
