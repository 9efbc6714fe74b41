"""Reads for the page of a study's items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Min, Q

from studyapp.models import Feature, Item, Stimulus, Study
from studyapp.models.runs import is_control
from studyapp.models.studies import STIMULI
from studyapp.studies.selectors.studies import main_items


@dataclass(frozen=True)
class Offer:
    """What a feature shows under one method: five options, or a pair of sounds and a label."""

    method: str
    options: list[dict[str, Any]]
    """Each also says whether it is the method's `own` for this feature, and if it `is_target`."""
    item: Item

    @property
    def is_control(self) -> bool:
        """Whether the method is a control."""
        return is_control(self.method)


@dataclass
class ShownFeature:
    """A feature of the study."""

    feature: Feature
    stimuli: tuple[Stimulus, ...]
    offers: list[Offer] = field(default_factory=list)


def number_of_features(study: Study) -> int:
    """How many features the study has."""
    return main_items(study).order_by().values("feature").distinct().count()


def shown(study: Study, start: int, size: int) -> list[ShownFeature]:
    """Up to `size` features from number `start` on, with what each method offers: four queries."""
    condition = study.conditions.order_by("method").first()
    ordered = main_items(study).filter(condition=condition).order_by().values("feature")
    first = ordered.annotate(first=Min("identifier")).order_by("first")
    keys = list(first.values_list("feature", flat=True)[start : start + size])
    found: dict[int, ShownFeature] = {}
    for item in _items(study, keys):
        if item.feature is None or item.condition is None:
            continue
        row = found.setdefault(item.feature.pk, ShownFeature(item.feature, item.stimuli))
        row.offers.append(Offer(item.condition.method, _options(item), item))
    return [found[key] for key in keys]


def sound(study: Study, sha256: str) -> str:
    """The path of a sound of the study's main items, relative to the data folder; "" if unknown."""
    shown_in = Q()
    for name in STIMULI:
        shown_in |= Q(**{f"{name}__sha256": sha256})
    item = main_items(study).filter(shown_in).select_related(*STIMULI).first()
    stimuli = item.stimuli if item else ()
    return next((one.path for one in stimuli if one.sha256 == sha256), "")


def _items(study: Study, features: Sequence[int]) -> list[Item]:
    related = ("condition", "feature", *STIMULI)
    found = main_items(study).filter(feature__in=features).select_related(*related)
    return list(found.order_by("condition__method", "identifier"))


def _options(item: Item) -> list[dict[str, Any]]:
    return [
        option | {"own": option["rank"] is not None, "is_target": number == item.target}
        for number, option in enumerate(item.options)
    ]
