"""One study as platforms export it: their own columns, in their own layout.

The columns are those of webMUSHRA's `lss.csv` (service/write.php), jsPsych's `data.csv()`,
Qualtrics' CSV of choice texts with its three header rows, oTree's wide export, PsyNet's trials,
Label Studio's CSV and JSON, and our `responses.csv`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable

Row = dict[str, object]
WORDS = ("Not confident at all", "Slightly confident", "Somewhat confident", "Fairly confident",
         "Completely confident")  # fmt: skip


def as_csv(rows: Iterable[Row], delimiter: str = ",") -> bytes:
    made = [dict(row) for row in rows]
    columns = list(dict.fromkeys(key for row in made for key in row))
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, delimiter=delimiter, restval="")
    writer.writeheader()
    writer.writerows(made)
    return buffer.getvalue().encode()


def our_own(rows: list[Row]) -> bytes:
    return as_csv(rows)


def webmushra(rows: list[Row]) -> bytes:
    """Ratings stand between blanks, and a page's id is its stimulus's."""
    return as_csv(
        {
            "session_test_id": "study", "email": row["participation"], "age": 30,
            "trial_id": row["feature"], "stimuli_rating": f" {row['confidence']} ",
            "stimuli": row["method"], "rating_time": 1200,
        }
        for row in rows
    )  # fmt: skip


def jspsych(rows: list[Row]) -> bytes:
    """Buttons are numbered from 0, and every screen has a row."""
    made: list[Row] = []
    for place, row in enumerate(rows):
        same = {"subject_id": row["participation"], "condition": row["method"]}
        welcome = {"rt": 900, "stimulus": "<p>Listen</p>", "response": "enter",
                   "trial_type": "html-keyboard-response", "trial_index": 2 * place}  # fmt: skip
        asked = {"rt": 1500, "stimulus": "a.wav", "response": int(str(row["confidence"])) - 1,
                 "trial_type": "audio-button-response", "trial_index": 2 * place + 1}  # fmt: skip
        made += [same | welcome, same | asked | {"feature": row["feature"]}]
    return as_csv(made)


def _by_person(rows: list[Row]) -> dict[object, list[Row]]:
    found: dict[object, list[Row]] = {}
    for row in rows:
        found.setdefault(row["participation"], []).append(row)
    return found


def qualtrics(rows: list[Row]) -> bytes:
    """A row per person, a column per method and feature, answers as words; UTF-8 with a mark."""
    asked = [f"{row['method']}_{row['feature']}" for row in rows]
    made: list[Row] = [
        {"StartDate": "Start Date", "Progress": "Progress", "Finished": "Finished",
         "ResponseId": "Response ID", **dict.fromkeys(asked, "How well does the name fit?")},
        {"StartDate": '{"ImportId":"startDate","timeZone":"UTC"}',
         "Progress": '{"ImportId":"progress"}', "Finished": '{"ImportId":"finished"}',
         "ResponseId": '{"ImportId":"_recordId"}',
         **{name: f'{{"ImportId":"QID{place}"}}' for place, name in enumerate(asked)}},
    ]  # fmt: skip
    for person, own in _by_person(rows).items():
        answers = {
            f"{row['method']}_{row['feature']}": WORDS[int(str(row["confidence"])) - 1]
            for row in own
        }
        made.append({"StartDate": "2026-11-30 10:00:00", "Progress": 100, "Finished": "True",
                     "ResponseId": person, **answers})  # fmt: skip
    return b"\xef\xbb\xbf" + as_csv(made)


def otree(rows: list[Row]) -> bytes:
    """A row per participant, columns per app, round and field; semicolons, as a German Excel."""
    made = []
    for person, own in _by_person(rows).items():
        row: Row = {"participant.id_in_session": 1, "participant.code": person,
                    "participant._is_bot": 0, "session.code": "abcd"}  # fmt: skip
        for place, one in enumerate(own, 1):
            row |= {f"study.{place}.player.id_in_group": 1,
                    f"study.{place}.player.method": one["method"],
                    f"study.{place}.player.feature": one["feature"],
                    f"study.{place}.player.rating": f"{one['confidence']},0"}  # fmt: skip
        made.append(row)
    return as_csv(made, ";")


def psynet(rows: list[Row]) -> bytes:
    """A row per trial, what was asked as JSON in `definition`; a failed trial beside."""
    made: list[Row] = []
    for place, row in enumerate(rows):
        definition = json.dumps({"method": row["method"], "feature": row["feature"]})
        same: Row = {"id": place, "participant_id": row["participation"],
                     "trial_maker_id": "ratings", "definition": definition}  # fmt: skip
        made.append(same | {"answer": row["confidence"], "failed": "False"})
    return as_csv([*made, made[0] | {"id": len(made), "answer": 1, "failed": "True"}])


def label_studio(rows: list[Row]) -> bytes:
    """Tabs; the data's own columns, the annotator, and the rating of the control `confidence`."""
    return as_csv(
        (
            {
                "annotation_id": place, "annotator": row["participation"], "audio": "/a.wav",
                "created_at": "2026-11-30T10:00:00Z", "confidence": row["confidence"],
                "feature": row["feature"], "id": place, "lead_time": 4.2,
                "method": row["method"], "updated_at": "2026-11-30T10:00:00Z",
            }
            for place, row in enumerate(rows)
        ),
        "\t",
    )  # fmt: skip


def label_studio_json(rows: list[Row]) -> bytes:
    """A task per feature and method with everyone's annotations inside; one was skipped."""
    tasks: dict[tuple[object, object], Row] = {}
    for place, row in enumerate(rows):
        data = {"audio": "/a.wav", "method": row["method"], "feature": row["feature"]}
        task = tasks.setdefault(
            (row["method"], row["feature"]),
            {"id": len(tasks), "annotations": [], "data": data, "meta": {}, "predictions": []},
        )
        rated = {"value": {"rating": row["confidence"]}, "id": "Dx_aB91ISN", "type": "rating",
                 "from_name": "confidence", "to_name": "audio", "origin": "manual"}  # fmt: skip
        said = {"value": {"text": ["mine"]}, "type": "textarea", "from_name": "comment"}
        own = {"id": place, "completed_by": {"id": 1, "email": row["participation"]},
               "result": [rated, said], "was_cancelled": False, "lead_time": 4.2,
               "created_at": "2026-11-30T10:00:00Z"}  # fmt: skip
        skipped = own | {"id": -place, "result": [], "was_cancelled": True}
        made = task["annotations"]
        assert isinstance(made, list)
        made += [skipped, own] if place == 0 else [own]
    return json.dumps(list(tasks.values()), indent=1).encode()


SHAPES: dict[str, Callable[[list[Row]], bytes]] = {
    "our_own": our_own, "webmushra": webmushra, "jspsych": jspsych, "qualtrics": qualtrics,
    "otree": otree, "psynet": psynet, "label_studio": label_studio,
    "label_studio_json": label_studio_json,
}  # fmt: skip
