"""What a study's design hash covers, as one document that an export contains and can verify.

The hash is SHA-256 over the document as JSON: keys sorted, no spaces, UTF-8 without escapes.
`study.json` holds the document under `design` and the names of its parts under
`design_hash_covers`, so that `hash_of_export` needs nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from studyapp.models import Item, Study
from studyapp.studies.selectors import studies as selectors
from studyapp.studies.settings import every_setting

LATER = ("variant", "prompt", "steering_seed", "sounds")
"""Columns of items that came after studies had been frozen."""
ITEMS = "items"
"""The part that describes the items. It is the longest; a summary leaves it out."""


def document(study: Study) -> dict[str, Any]:
    """All that the hash covers: every setting, runs, conditions and items."""
    made: dict[str, Any] = {}
    for one in every_setting():
        value = one.value_of(study)
        # The default of a later setting is left out: what was frozen before keeps its hash.
        if not one.added_later or value != one.default:
            made[one.name] = value
    made["runs"] = sorted(study.runs.values_list("name", flat=True))
    made["conditions"] = sorted(study.conditions.values_list("method", flat=True))
    made[ITEMS] = [_described(item) for item in selectors.items_of(study)]
    return made


def hash_of(made: Mapping[str, Any]) -> str:
    """SHA-256 of a document, hexadecimal."""
    text = json.dumps(made, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def exported(study: Study, *, whole: bool = True) -> dict[str, Any]:
    """What `study.json` says about the design: the document, what it covers, what is withheld."""
    made = document(study)
    later = {one.name: one.value_of(study) for one in every_setting() if one.added_later}
    withheld = _withheld(study, whole)
    shown = later | made | {"state": study.state}
    return {
        "design": {name: value for name, value in shown.items() if name not in withheld},
        "design_hash_covers": sorted(made),
        "design_withheld": sorted(withheld),
    }


def hash_of_export(protocol: Mapping[str, Any]) -> str:
    """The design hash, computed from a `study.json` only; empty if part of the design is withheld.

    It equals the file's `design_hash` if nothing was changed since the study was frozen.
    """
    if protocol["design_withheld"]:
        return ""
    return hash_of({name: protocol["design"][name] for name in protocol["design_hash_covers"]})


def _withheld(study: Study, whole: bool) -> set[str]:
    """What an export leaves out: secrets until the study is closed, long parts in a summary."""
    if not whole:
        return {ITEMS} | {one.name for one in every_setting() if one.secret or one.bulky}
    if study.state == Study.State.CLOSED:
        return set()
    return {one.name for one in every_setting() if one.secret and one.value_of(study)}


def _described(item: Item) -> dict[str, Any]:
    cell = {} if item.role == Item.Role.MAIN else {"role": item.role, "target": item.target}
    # What an item of the first kinds does not have is left out: frozen studies keep their hash.
    own = {name: getattr(item, name) for name in LATER}
    later = {name: value for name, value in own.items() if value not in (None, "", [])}
    shown = {
        "identifier": item.identifier,
        "method": item.condition.method if item.condition else "",
        "feature": item.feature.identifier if item.feature else "",
        "stimuli": [stimulus.sha256 for stimulus in item.stimuli],
        "options": item.options,
    }
    return cell | later | shown
