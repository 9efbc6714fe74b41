"""Label Studio's nested JSON, as its CSV would be: one row per annotation of a task.

Columns are those of its CSV: the task's data, `id`, `annotation_id`, `annotator`, times, and one
for each control of the labeling page, by its name (`from_name`). Annotations that were skipped
(`was_cancelled`) are no rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analysis.errors import AnalysisError, quote

OF_ANNOTATION = ("created_at", "updated_at", "lead_time")


def is_nested(objects: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these are tasks with their annotations inside."""
    return all(
        isinstance(one.get("annotations"), list) and isinstance(one.get("data"), dict)
        for one in objects
    )


def rows_of(name: str, tasks: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One object per annotation. Raises `AnalysisError` for one that cannot be a row."""
    for task in tasks:
        for one in task["annotations"]:
            if not isinstance(one, dict) or not isinstance(one.get("result"), list):
                raise AnalysisError(f"{name}: an annotation of task {task.get('id')} has no result")
            if one.get("was_cancelled"):
                continue
            yield {
                **task["data"], "id": task.get("id"), "annotation_id": one.get("id"),
                "annotator": _person(one.get("completed_by")),
                **{key: one[key] for key in OF_ANNOTATION if key in one}, **_results(name, one),
            }  # fmt: skip


def _person(found: Any) -> Any:
    """An annotator's number, or the address where the export has more of them."""
    return found.get("email") or found.get("id") if isinstance(found, dict) else found


def _results(name: str, annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Control → what was answered there."""
    found: dict[str, Any] = {}
    for result in annotation["result"]:
        value = result.get("value") if isinstance(result, dict) else None
        if not isinstance(value, dict) or "from_name" not in result:
            continue  # a relation between regions
        control = str(result["from_name"])
        if control in found:
            raise AnalysisError(
                f"{name}: annotation {annotation.get('id')} has several results of "
                f"{quote(control)}, where a rating is one"
            )
        # Under the control's type; a text area's under "text", the side of a pair "selected".
        of_type = str(result.get("type"))
        found[control] = value.get(of_type, value.get("text", value.get("selected")))
    return found
