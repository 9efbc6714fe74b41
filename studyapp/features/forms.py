"""The feature browser's filters, each a form field and a condition of the query, and the settings
of an evaluation of steering."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet

from studyapp.features.selectors.labels import search_words
from studyapp.models import Feature, SteeringEvaluation
from studyapp.runs.services.results.steering import (
    FEATURES,
    OFFERED,
    SECONDS,
    SEEDS,
    Settings,
)

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


class EvaluationForm(forms.Form):
    """What an evaluation of steering generates."""

    features = forms.IntegerField(
        label="Features per SAE",
        help_text="Drawn from the kept ones; all where there are fewer.",
        min_value=FEATURES[0],
        max_value=FEATURES[1],
    )
    seeds = forms.IntegerField(
        label="Seeds",
        help_text="With fewer than four, intervals say very little.",
        min_value=SEEDS[0],
        max_value=SEEDS[1],
    )
    seconds = forms.FloatField(
        label="Length of a clip",
        help_text="Seconds.",
        min_value=SECONDS[0],
        max_value=SECONDS[1],
    )
    interventions = forms.MultipleChoiceField(
        label="Interventions",
        choices=[(name, name) for name in OFFERED],
        widget=forms.CheckboxSelectMultiple,
        help_text="Table 2 stands beside random-direction; the ranking is compared with add.",
    )

    @staticmethod
    def first(last: SteeringEvaluation | None) -> dict[str, Any]:
        """The first values: those of the last evaluation, so that it can be continued."""
        of: Any = last or Settings()
        return {name: getattr(of, name) for name in EvaluationForm.base_fields}

    @property
    def settings(self) -> Settings:
        """The settings that were given, or the first ones."""
        given = self.cleaned_data if self.is_bound else self.initial
        return Settings(**{**given, "interventions": tuple(given["interventions"])})
