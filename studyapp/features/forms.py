"""The feature browser's filters: each is a form field and a condition of the query."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet

from studyapp.features.selectors.labels import search_words
from studyapp.models import Feature

NEEDS = {"score": "scored", "agreement": "compared"}
"""Filter → the count in a run's facets without which no feature has a value."""


class FeatureFilter(django_filters.FilterSet):  # type: ignore[misc] # ships no types
    """The filters for a run's features; the run's facets say what can be chosen."""

    q = django_filters.CharFilter(label="Label contains", method="with_words", max_length=100)
    layer = django_filters.TypedMultipleChoiceFilter(label="Layer", coerce=int, distinct=False)
    sae = django_filters.MultipleChoiceFilter(label="SAE", distinct=False)
    rate = django_filters.RangeFilter(label="Rate, %", method="with_rate")
    strength = django_filters.RangeFilter(label="Strength", field_name="max_activation")
    score = django_filters.RangeFilter(label="Score", field_name="score")
    agreement = django_filters.RangeFilter(label="Agreement", field_name="agreement")

    class Meta:
        model = Feature
        fields: list[str] = []

    def __init__(self, *args: Any, facets: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.filters["layer"].extra["choices"] = [(n, str(n)) for n in facets.get("layers", ())]
        self.filters["sae"].extra["choices"] = [(name, name) for name in facets.get("saes", ())]
        for name, count in NEEDS.items():
            if not facets.get(count):
                del self.filters[name]
        for name in ("layer", "sae"):
            self.filters[name].extra["widget"] = forms.CheckboxSelectMultiple

    def with_words(self, queryset: QuerySet[Feature], _: str, text: str) -> QuerySet[Feature]:
        """Keep features whose labels contain every word, in any position."""
        wanted = Q()
        for word in search_words(text):
            wanted &= Q(label_text__contains=word)
        return queryset.filter(wanted)

    def with_rate(self, queryset: QuerySet[Feature], _: str, given: slice) -> QuerySet[Feature]:
        """Keep features whose rate lies in the range, which is given in per cent."""
        if given.start is not None:
            queryset = queryset.filter(rate__gte=float(given.start) / 100)
        if given.stop is not None:
            queryset = queryset.filter(rate__lte=float(given.stop) / 100)
        return queryset
