"""Queries whose SQL is made once return what Django's own would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

from studyapp.core.database.prepared import insert, prepared, prepared_update
from studyapp.models import Event, Item, Participation, Study
from studyapp.participation.services import participations
from tests.studyapp.factories import make_study


@prepared
def items(study: int, identifiers: tuple[str, ...]) -> QuerySet[Item]:
    found = Item.objects.filter(study=study, identifier__in=identifiers)
    return found.select_related("study", "stimulus_1", "stimulus_4").order_by("identifier")


@prepared
def options(study: int, identifier: str) -> QuerySet[Item, tuple[int, object]]:
    return Item.objects.filter(study=study, identifier=identifier).values_list("pk", "options")


@prepared
def locked(pk: int) -> QuerySet[Study]:
    return Study.objects.select_for_update().filter(pk=pk)


@prepared_update
def set_title(pk: int, opened: datetime, title: str) -> tuple[QuerySet[Study], dict[str, Any]]:
    return Study.objects.filter(pk=pk), {"title": title, "opened_at": opened}


@prepared_update
def mark_rehearsal(pk: int, rehearsal: bool) -> tuple[QuerySet[Study], dict[str, Any]]:
    return Study.objects.filter(pk=pk), {"rehearsal": rehearsal}


@prepared
def without_its_argument(pk: int) -> QuerySet[Study]:
    return Study.objects.all()


@pytest.mark.django_db
def test_objects_and_tuples_are_those_of_the_queryset() -> None:
    for study in (make_study(), make_study()):
        every = list(study.items.order_by("identifier"))
        for some in (every[:1], every[1:4], every):
            found = items(study.pk, tuple(item.identifier for item in some))
            assert found == some
            assert [item.options for item in found] == [item.options for item in some]
            assert [item.stimulus_1.peaks for item in found] == [
                one.stimulus_1.peaks for one in some
            ]
            assert {(item.study, item.stimulus_4) for item in found} == {(study, None)}
            assert not any(item.get_deferred_fields() for item in found)
        assert options(study.pk, every[2].identifier) == [(every[2].pk, every[2].options)]
        assert options(study.pk, "none") == []


@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_only_in_a_transaction() -> None:
    study = make_study()
    for _ in range(2):  # also once it is prepared
        with transaction.atomic():
            assert locked(study.pk) == [study]
        if connection.features.has_select_for_update:
            with pytest.raises(TransactionManagementError):
                locked(study.pk)


@pytest.mark.django_db
def test_an_argument_that_the_sql_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="without_its_argument: an argument is not"):
        without_its_argument(1)


@pytest.mark.django_db
def test_only_the_rows_asked_for_are_changed() -> None:
    first, second, third = make_study(), make_study(), make_study()
    for place, study in enumerate((first, second), 1):
        opened = datetime(2026, 3, 1, 12, 30, place, 250_000, tzinfo=UTC)
        assert set_title(study.pk, opened, f"No. {place} %s") == 1
        study.refresh_from_db()
        assert (study.title, study.opened_at) == (f"No. {place} %s", opened)
    assert set_title(10**9, opened, "nobody's") == 0
    for value in (True, False):
        assert mark_rehearsal(first.pk, value) == 1
        assert Study.objects.get(pk=first.pk).rehearsal is value
    assert Study.objects.get(pk=third.pk).opened_at == third.opened_at


@pytest.mark.django_db
def test_inserted_rows_are_those_that_django_would_create() -> None:
    participation = participations.begin(study=make_study())
    insert([])
    insert([event(participation, number) for number in range(3)])
    Event.objects.bulk_create([event(participation, number) for number in range(3, 6)])
    stored = list(Event.objects.order_by("pk"))
    assert [one.sequence for one in stored] == [f"%s {number}" for number in range(6)]
    assert {(one.participation_id, one.type, one.clip, one.value) for one in stored} == {
        (participation.pk, "play", None, 7)
    }
    times = [one.received_at for one in stored]
    assert max(times) - min(times) < timedelta(hours=1)


def event(participation: Participation, number: int) -> Event:
    """An event of the page, not of a trial."""
    return Event(
        participation=participation, type="play", at_ms=number, value=7, sequence=f"%s {number}"
    )
