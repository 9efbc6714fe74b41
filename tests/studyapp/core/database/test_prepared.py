"""Queries whose SQL is made once return what Django's own would."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

from studyapp.core.database.prepared import prepared
from studyapp.models import Item, Study
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
