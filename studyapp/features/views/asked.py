"""Which features of a run a request asks for, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict

from studyapp.features.forms import FeatureFilter
from studyapp.features.selectors import features as selectors
from studyapp.features.selectors.labels import search_words
from studyapp.models import Feature, Run

NOT_KEPT = ("after", "before", "order")


@dataclass(frozen=True)
class Asked:
    """Filters and order, from a query string."""

    run: Run
    given: QueryDict

    @cached_property
    def filters(self) -> FeatureFilter:
        """The filters, valid or not."""
        run = self.run
        return FeatureFilter(self.given, queryset=selectors.of_run(run), facets=run.facets)

    @cached_property
    def order_name(self) -> str:
        """The order, or the run's default one if none that the run has was asked for."""
        offered = selectors.orders_of(self.run)
        name = self.given.get("order", "")
        return name if name in offered else next(iter(offered))

    @property
    def order(self) -> selectors.Order:
        """The order."""
        return selectors.ORDERS[self.order_name]

    @cached_property
    def query(self) -> str:
        """Filters and order as a query string without a cursor."""
        kept = [
            (name, value)
            for name, values in self.given.lists()
            for value in values
            if value and name not in NOT_KEPT
        ]
        if self.order_name != next(iter(selectors.orders_of(self.run))):
            kept.append(("order", self.order_name))
        return urlencode(kept)

    @property
    def words(self) -> list[str]:
        """The folded words that are searched for."""
        return search_words(self.given.get("q", "")) if self.filters.is_valid() else []

    @property
    def is_filtered(self) -> bool:
        """Whether any valid filter is given."""
        return self.filters.is_valid() and any(self.filters.form.cleaned_data.values())

    @cached_property
    def found(self) -> tuple[QuerySet[Feature], int]:
        """The matching features and their number; invalid filters are ignored."""
        if self.is_filtered:
            return selectors.matching(self.run, self.filters.qs)
        return selectors.of_run(self.run), self.run.facets.get("features", 0)
