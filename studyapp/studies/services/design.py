"""What a study's design hash covers, as one document: it is hashed, exported, and hashed again.

The hash is SHA-256 over the document as JSON: keys sorted, no spaces, UTF-8 as it is. `study.json`
holds the document under `design` and the names of its parts under `design_hash_covers`, so that
`hash_of_export` needs nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from studyapp.models import Item, Study
from studyapp.models.studies import default_strata
from studyapp.studies.selectors import studies as selectors

HASHED = (
    "slug", "version", "title", "seed", "option_policy", "features_wanted", "ratings_per_item",
    "trials_per_participation", "lease_minutes", "loudness_lufs", "consent_text",
    "instructions_text", "contact", "ethics_approval", "exclusion_rules", "analysis_plan",
    "left_out", "steps", "headphone_check", "headphones_required", "practice_trials",
    "check_sounds", "languages", "texts", "debrief_text", "questions",
    "design", "catch_trials", "repeat_trials", "quality_rules", "codes",
)  # fmt: skip
"""Fields of a study that its design hash covers, beside runs, conditions and items."""
HASHED_IF_SET: dict[str, Any] = {"saes": [], "strata": default_strata(), "rehearsal": False}
"""Later fields with their default, which is left out: what was frozen before keeps its hash."""
NOT_DESIGN = frozenset(
    {
        "id", "series", "state", "design_hash", "project", "unblinded_at", "preview_of",
        "created_by", "created_at", "frozen_at",
    }
)  # fmt: skip
"""Every other field: whose the study is and how it stands. Which of the three a field is must be
said when it is made."""
SECRET = frozenset({"codes"})
"""What an export leaves out until the study is closed: it is worth money."""
BULK = frozenset({"items", "check_sounds"})
"""What a summary of the design leaves out: long, and the checks' right answers."""


def document(study: Study) -> dict[str, Any]:
    """All that the hash covers."""
    made: dict[str, Any] = {name: getattr(study, name) for name in HASHED}
    later = {name: getattr(study, name) for name in HASHED_IF_SET}
    made |= {name: value for name, value in later.items() if value != HASHED_IF_SET[name]}
    made["runs"] = sorted(study.runs.values_list("name", flat=True))
    made["conditions"] = sorted(study.conditions.values_list("method", flat=True))
    made["items"] = [_described(item) for item in selectors.items_of(study)]
    return made


def hash_of(made: Mapping[str, Any]) -> str:
    """SHA-256 of a document, hexadecimal."""
    text = json.dumps(made, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def exported(study: Study, *, whole: bool = True) -> dict[str, Any]:
    """What `study.json` says of the design: the document, what it covers, what is held back."""
    made = document(study)
    held = SECRET if study.state != Study.State.CLOSED and study.codes else frozenset()
    held = held if whole else held | SECRET | BULK
    shown = {name: getattr(study, name) for name in HASHED_IF_SET} | made | {"state": study.state}
    return {
        "design": {name: value for name, value in shown.items() if name not in held},
        "design_hash_covers": sorted(made),
        "design_withheld": sorted(held),
    }


def hash_of_export(protocol: Mapping[str, Any]) -> str:
    """The design hash, computed from a `study.json` alone; empty if part of the design is withheld.

    It equals the file's `design_hash` if nothing was changed since the study was frozen.
    """
    if protocol["design_withheld"]:
        return ""
    return hash_of({name: protocol["design"][name] for name in protocol["design_hash_covers"]})


def _described(item: Item) -> dict[str, Any]:
    cell = {} if item.role == Item.Role.MAIN else {"role": item.role, "target": item.target}
    return cell | {
        "identifier": item.identifier,
        "method": item.condition.method if item.condition else "",
        "feature": item.feature.identifier if item.feature else "",
        "stimuli": [stimulus.sha256 for stimulus in item.stimuli],
        "options": item.options,
    }
