"""Studies of items from anywhere: the same study as from a run, or every fault by its line."""

from __future__ import annotations

import csv
import io
import random
import shutil
import zipfile
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from studyapp.core.errors import RunError
from studyapp.core.middleware import MAX_BODY
from studyapp.features.selectors.features import by_place
from studyapp.features.services import MAX_SOUND_BYTES
from studyapp.hosting.web import OPTIONS as OPTIONS_OF_WEB
from studyapp.jobs.tasks import work
from studyapp.models import Feature, Item, Job, Run, Study
from studyapp.runs.forms import MAX_TABLE_BYTES
from studyapp.runs.services.item_tables import archives
from studyapp.runs.services.item_tables import make as item_tables
from studyapp.runs.services.item_tables.check import (
    OPTIONS,
    OWN_CANDIDATES,
    TEMPLATE,
    check,
)
from studyapp.studies.services import drawing
from tests.studyapp import factories

pytestmark = pytest.mark.django_db

FAULTY = 200
Rows = list[dict[str, Any]]


def as_csv(rows: Rows) -> bytes:
    buffer = io.StringIO(newline="")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(buffer, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def sounds(folder: Path, count: int = 9) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number in range(count):
        samples = 0.1 * np.random.default_rng(number).standard_normal(8_000)
        soundfile.write(folder / f"{number}.wav", samples, 16_000)
        names.append(f"{number}.wav")
    return names


def table(clips: list[str], items: int = 3, ranks: int = 5) -> Rows:
    return [
        {
            "item": f"thing {item}", "method": method, "rank": rank,
            "text": f"name {rank} of {item} by {method}",
            **{f"clip_{place + 1}": clips[3 * item + place] for place in range(3)},
            "confidence": 1 / rank, "score": "", "group": "a" if item else "b",
        }
        for item in range(items)
        for method in ("captioner", "human")
        for rank in range(1, ranks + 1)
    ]  # fmt: skip


def command(rows: Rows, folder: Path, *more: str) -> tuple[str, str]:
    (folder / "items.csv").write_bytes(as_csv(rows))
    out, err = StringIO(), StringIO()
    call_command(
        "create_study", "--items", str(folder / "items.csv"), "--clips", str(folder / "clips"),
        "--slug", "things", "--trials", "2", *more, stdout=out, stderr=err,
    )  # fmt: skip
    return out.getvalue(), err.getvalue()


def test_a_study_of_a_table_is_open_exported_and_shown(tmp_path: Path, researcher: Client) -> None:
    rows = table(sounds(tmp_path / "clips"))
    said, _ = command(rows, tmp_path, "--open", "--contact", "me@example.org")
    assert said == "things v1 is open: 6 items\n"
    study, run = Study.objects.get(), Run.objects.get()
    assert (run.origin, run.features.count()) == (Run.Origin.ITEMS, 3)
    item = Item.objects.filter(feature__identifier="thing 1", condition__method="human").get()
    assert [option["text"] for option in item.options] == [
        f"name {n} of 1 by human" for n in range(1, 6)
    ]
    # Participants hear matched copies under opaque names.
    assert not any("wav" in stimulus.path for stimulus in item.stimuli)
    call_command("export", study.slug, "--out", str(tmp_path / "export"), stdout=StringIO())
    [labels] = (tmp_path / "export").rglob("labels.csv")
    assert "thing 1" in labels.read_text()
    # The same table again makes the next version of the study, but no second copy of its sounds.
    command(rows, tmp_path)
    assert (Run.objects.count(), Study.objects.count()) == (1, 2)


def test_three_clips_are_drawn_from_a_list(tmp_path: Path) -> None:
    clips = sounds(tmp_path / "clips")
    rows: Rows = []
    for row in table(clips):
        rest = {name: value for name, value in row.items() if not name.startswith("clip_")}
        rows.append(rest | {"clips": "|".join(clips) if row["rank"] == 1 else ""})
    command(rows, tmp_path)
    item = Item.objects.filter(role=Item.Role.MAIN).first()
    assert item is not None
    assert len({stimulus.sha256 for stimulus in item.stimuli}) == 3


def test_the_constants_are_those_of_the_draw_and_the_rows_of_the_template_are_right(
    tmp_path: Path,
) -> None:
    assert (OWN_CANDIDATES, OPTIONS) == (drawing.OWN_CANDIDATES, drawing.OPTIONS)
    for name in ("rain-1.wav", "rain-2.wav", "rain-3.wav"):
        samples = 0.1 * np.random.default_rng(ord(name[5])).standard_normal(8_000)
        soundfile.write(tmp_path / name, samples, 16_000)
    _, faults = check(TEMPLATE.encode(), tmp_path)
    # Its rows are right; a whole table has more of them.
    assert [str(fault) for fault in faults] == [
        "method captioner has 3 different texts: at least 5"
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"item": ""}, "line 2: item is empty"),
        ({"item": "x" * 101}, "line 2: item has 101 characters: at most 100"),
        ({"method": "a/b"}, "line 2: method is 'a/b': 1 to 60 letters"),
        ({"rank": "0"}, "line 2: rank is '0': a whole number from 1, the best"),
        ({"rank": "2"}, "line 3: rank 2 of captioner for 'thing 0' is already in line 2"),
        ({"text": ""}, "line 2: text is empty"),
        ({"text": "Name 2  of 0 by captioner"}, "line 3: the text 'name 2 of 0 by captioner' of"),
        ({"text": "a\u202eb"}, "line 2: text holds a control character"),
        ({"confidence": "1.5"}, "line 2: confidence is '1.5': a number from 0 to 1"),
        ({"score": "high"}, "line 2: score is 'high': a number from"),
        ({"score_clap": "x"}, "line 2: score_clap is 'x': a number from"),
        ({"score_given": "1"}, "line 1: column 'score_given' is unknown; known: item, method"),
        ({"group": "z"}, "line 3: item 'thing 0' is in group 'z' elsewhere"),
        ({"group": "y/z"}, "line 2: group holds a /"),
        ({"clip_2": ""}, "line 2: clip_2 is empty, but other clips of the row are not"),
        ({"clip_2": "8.wav"}, "line 3: item 'thing 0' has other clips than in line 2"),
        ({"clip_1": "none.wav"}, "line 2: clip 'none.wav' is not in the folder of clips"),
        ({"clip_1": "../items.csv"}, "clip '../items.csv' does not lie in the folder of clips"),
        ({"clip_1": "/etc/passwd"}, "clip '/etc/passwd' does not lie in the folder of clips"),
        ({"clip_1": "not.wav"}, "line 2: clip 'not.wav' cannot be decoded"),
        ({"clip_1": "silent.wav"}, "line 2: clip 'silent.wav' is silent"),
        ({"clip_1": "short.wav"}, "line 2: clip 'short.wav' lasts 0.01 s: from 0.2 to 600"),
        ({"clip_1": "long.wav"}, "line 2: clip 'long.wav' lasts longer than 600 s"),
        ({"clip_1": "0.txt"}, "line 2: clip '0.txt' is not a sound file"),
        ({"clip_2": "same.wav"}, "line 2: item 'thing 0' has the sound of '0.wav' twice"),
        ({"extra": "x"}, "line 1: column 'extra' is unknown; known: item, method"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line_and_nothing_is_made(
    change: dict[str, str], said: str, tmp_path: Path
) -> None:
    rows = table(sounds(tmp_path / "clips"))
    (tmp_path / "clips" / "not.wav").write_bytes(b"RIFF")
    (tmp_path / "clips" / "0.txt").write_bytes(b"x")
    shutil.copy(tmp_path / "clips" / "0.wav", tmp_path / "clips" / "same.wav")
    for name, samples in (("silent", np.zeros(8_000)), ("short", np.ones(160))):
        soundfile.write(tmp_path / "clips" / f"{name}.wav", samples, 16_000)
    soundfile.write(tmp_path / "clips" / "long.wav", np.zeros(7_000), 11)
    rows[0] |= change
    table_made, faults = check(as_csv(rows), tmp_path / "clips")
    assert table_made is None
    assert any(said in str(fault) for fault in faults), list(map(str, faults))


def test_every_fault_is_listed_before_anything_is_made(tmp_path: Path) -> None:
    rows = table(sounds(tmp_path / "clips"))
    kept = Path(settings.DATA) / "items"
    before = set(kept.glob("*"))
    rows[3] |= {"rank": "x", "confidence": "7"}
    rows[7] |= {"text": ""}
    with pytest.raises(CommandError, match=r"^items\.csv has 3 faults; nothing was made$"):
        command(rows, tmp_path)
    with pytest.raises(CommandError, match="100 trials need as many different features"):
        command(table(sounds(tmp_path / "clips")), tmp_path, "--trials", "100")
    with pytest.raises(CommandError, match="name a run, or give --items and --clips"):
        call_command("create_study", "--slug", "x", "--items", "items.csv")
    assert not Run.objects.exists()
    assert not Study.objects.exists()
    assert set(kept.glob("*")) == before


def test_too_few_texts_are_named_by_item_and_method(tmp_path: Path) -> None:
    rows = [
        row
        for row in table(sounds(tmp_path / "clips"))
        if row["rank"] < 3 or row["item"] != "thing 1"
    ]
    _, faults = check(as_csv(rows), tmp_path / "clips")
    assert [str(fault) for fault in faults] == [
        "line 12: item 'thing 1' has 2 texts by captioner: at least 3",
        "line 12: item 'thing 1' has 2 texts by human: at least 3",
    ]
    _, faults = check(
        as_csv(table(sounds(tmp_path / "clips"), items=1, ranks=4)), tmp_path / "clips"
    )
    assert str(faults[0]) == "method captioner has 4 different texts: at least 5"


def test_a_text_with_a_separator_and_no_quotes_is_not_cut_off(tmp_path: Path) -> None:
    rows = [
        {name: row[name] for name in ("item", "method", "rank", "clip_1", "clip_2", "clip_3")}
        | {"text": row["text"]}
        for row in table(sounds(tmp_path / "clips"))
    ]
    lines = as_csv(rows).decode().splitlines()
    lines[1] += ", and rain"
    lines[2] += ",,"
    _, faults = check("\n".join(lines).encode(), tmp_path / "clips")
    assert [str(fault) for fault in faults] == [
        "line 2: it has 8 cells, more than the header: put a text that holds the separator in "
        "quotes"
    ]


CELLS = (
    "",
    "0",
    "-1",
    "x",
    "1.5",
    "nan",
    "a\nb",
    "../x",
    "9" * 30,
    "🎵",
    '"',
    "\x07",
    "=1+1",
    "y" * 400,
)


def faulty(data: bytes, rng: random.Random) -> bytes:
    """One to three faults in a table."""
    for _ in range(rng.randint(1, 3)):
        rows = list(csv.reader(io.StringIO(data.decode("utf-8", "replace"))))
        kind, row = rng.randrange(6), rng.choice(rows)
        if kind < 3:
            row[rng.randrange(len(row))] = rng.choice(CELLS)
        elif kind == 3:
            row.append("more") if rng.random() < 0.5 else row.pop()
        elif kind == 4:
            rows.append(list(row))
        else:
            place = rng.randrange(len(rows[0]))
            rows = [[cell for n, cell in enumerate(one) if n != place] for one in rows]
        buffer = io.StringIO()
        csv.writer(buffer).writerows(rows)
        data = buffer.getvalue().encode()
        if rng.random() < 0.1:
            place = rng.randrange(len(data))
            data = data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
    return data


def test_two_hundred_faulty_tables_give_lines_and_leave_nothing(tmp_path: Path) -> None:
    rng, refused = random.Random(0), 0
    whole = as_csv(table(sounds(tmp_path / "clips"), items=2))
    for _ in range(FAULTY):
        made, faults = check(faulty(whole, rng), tmp_path / "clips")
        assert (made is None) == bool(faults)
        assert not any("\n" in str(fault) for fault in faults)
        refused += made is None
    assert refused > 150
    assert not Run.objects.exists()


def test_pages_of_a_table_of_items_are_shown(tmp_path: Path, researcher: Client) -> None:
    made, _ = check(as_csv(table(sounds(tmp_path / "clips"))), tmp_path / "clips")
    assert made is not None
    run, is_new = item_tables.make(table=made, name="items of x")
    assert is_new
    feature = Feature.objects.get(identifier="thing 0")
    for address in (
        reverse("run", args=[run.pk]),
        reverse("features", args=[run.pk]),
        reverse("feature", args=[run.pk, feature.sae, feature.index]),
        f"{reverse('compare-runs')}?run={run.pk}&run={factories.make_run(clips=0).pk}",
        f"{reverse('new-study')}?run={run.pk}",
    ):
        assert researcher.get(address, follow=True).status_code == 200, address


def test_an_item_named_like_the_place_of_another_has_its_own_page(tmp_path: Path) -> None:
    names = {"thing 0": "b/0", "thing 1": "a/2", "thing 2": "a/1"}
    rows = [row | {"item": names[row["item"]]} for row in table(sounds(tmp_path / "clips"))]
    made, _ = check(as_csv(rows), tmp_path / "clips")
    assert made is not None
    run, _ = item_tables.make(table=made, name="items of x")
    found = [by_place(run.pk, one.sae, one.index) for one in run.features.order_by("index")]
    assert [one.identifier for one in found if one] == ["b/0", "a/2", "a/1"]


def test_a_table_is_uploaded_checked_by_a_worker_and_its_faults_are_shown(
    tmp_path: Path, researcher: Client
) -> None:
    assert b"Download a template" in researcher.get(reverse("new-items")).content
    assert researcher.get(reverse("items-template")).content.decode() == TEMPLATE
    rows = table(sounds(tmp_path / "clips"))
    for name, change in (("faulty", {"rank": "x", "text": ""}), ("right", {}), ("again", {})):
        upload = SimpleUploadedFile("items.csv", as_csv([rows[0] | change, *rows[1:]]))
        given = {"name": name, "clips": str(tmp_path / "clips"), "table": upload}
        answer = researcher.post(reverse("new-items"), given)
        assert answer.status_code == 302
        work(Job.objects.latest("pk").pk)
    states = dict(Run.objects.values_list("name", "state"))
    assert states == {"faulty": "failed", "right": "done", "again": "failed"}
    page = researcher.get(reverse("run", args=[Run.objects.get(name="faulty").pk]))
    said = page.content.decode()
    assert "the table has 2 faults; nothing was made" in said
    assert "<li>line 2: text is empty</li>" in said
    assert "already there as &#x27;right&#x27;" in Run.objects.get(name="again").error.replace(
        "'", "&#x27;"
    )
    assert (
        researcher.get(reverse("run", args=[Run.objects.get(name="right").pk])).status_code == 200
    )
    assert not Job.objects.filter(kind="run_findings").exists()
    wrong = {"name": "x", "clips": "/nowhere", "table": SimpleUploadedFile("x.csv", b"x")}
    refused = researcher.post(reverse("new-items"), wrong)
    assert (refused.status_code, b"is not a folder on this machine" in refused.content) == (
        422,
        True,
    )


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def send(researcher: Client, rows: Rows, archive: bytes, **more: str) -> Any:
    given = {
        "name": "zipped", "table": SimpleUploadedFile("items.csv", as_csv(rows)),
        "sounds": SimpleUploadedFile("clips.zip", archive), **more,
    }  # fmt: skip
    return researcher.post(reverse("new-items"), given)


def test_clips_come_as_a_zip_of_which_only_what_is_used_is_kept(
    tmp_path: Path, researcher: Client
) -> None:
    names = sounds(tmp_path / "clips")
    data = {f"my clips/{name}": (tmp_path / "clips" / name).read_bytes() for name in names}
    added = {"__MACOSX/my clips/._0.wav": b"x", "my clips/.DS_Store": b"x"}
    assert send(researcher, table(names), zipped(data | added)).status_code == 302
    work(Job.objects.latest("pk").pk)
    run = Run.objects.get()
    assert (run.state, run.clips.count()) == ("done", 9)
    folder = Path(settings.DATA) / run.directory
    assert sorted(one.name for one in folder.iterdir()) == ["clips", "items.csv"]
    # A table with a fault leaves nothing of its sounds.
    rows = table(names)
    rows[0]["clip_1"] = "none.wav"
    send(researcher, rows, zipped(data), name="faulty")
    work(Job.objects.latest("pk").pk)
    run = Run.objects.get(name="faulty")
    assert run.facets["faults"][0] == "line 2: clip 'none.wav' is not in the folder of clips"
    left = [one.name for one in (Path(settings.DATA) / run.directory).iterdir()]
    assert left == ["items.csv"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no sound"),
        ({"../../0.wav": b"1", "a/0.wav": b"2"}, "holds two files named &#x27;0.wav&#x27;"),
        ({"x" * 200 + ".wav": b""}, "whose name is too long"),
        ({"0.exe": b"MZ"}, "holds &#x27;0.exe&#x27;, which is not a sound file"),
        ({f"{n}.wav": b"" for n in range(1_001)}, "holds 1,001 files: at most 1,000"),
        ({"0.wav": bytes(50_000_001)}, "holds more than 50,000,000 bytes of sound"),
    ],
)  # fmt: skip
def test_a_zip_that_cannot_be_used_is_refused_in_a_line(
    files: dict[str, bytes], said: str, tmp_path: Path, researcher: Client
) -> None:
    kept = set((Path(settings.DATA) / "items").glob("*"))
    answer = send(researcher, table(sounds(tmp_path / "clips")), zipped(files))
    assert (answer.status_code, said in answer.content.decode()) == (422, True)
    assert not Run.objects.exists()
    assert set((Path(settings.DATA) / "items").glob("*")) == kept


def test_what_a_zip_says_of_itself_is_not_believed(tmp_path: Path, researcher: Client) -> None:
    with pytest.raises(RunError, match="is not a ZIP file"):
        archives.check(b"PK\x03\x04 but no more")
    # A name that leads elsewhere is written by its last part.
    archives.unpack(zipped({"/etc/../../0.wav": b"1", "..\\..\\1.wav": b"2"}), tmp_path / "out")
    assert {one.name: one.read_bytes() for one in tmp_path.rglob("*.wav")} == {
        "0.wav": b"1", "1.wav": b"2"
    }  # fmt: skip
    # One that says it is short: it is read up to the limit only.
    honest = zipped({"0.wav": bytes(50_000_001)})
    size = (50_000_001).to_bytes(4, "little")
    assert honest.count(size) == 2
    with pytest.raises(RunError, match=r"cannot be unpacked|holds more than"):
        archives.unpack(honest.replace(size, (5).to_bytes(4, "little")), tmp_path / "lie")
    damaged = zipped({"0.wav": b"sound" * 99})
    with pytest.raises(RunError, match=r"'0\.wav' in the ZIP of clips cannot be unpacked"):
        archives.unpack(damaged[:40] + b"\xff" + damaged[41:], tmp_path / "damaged")


def test_clips_are_in_a_zip_or_in_a_folder(tmp_path: Path, researcher: Client) -> None:
    names = sounds(tmp_path / "clips")
    both = send(researcher, table(names), zipped({}), clips=str(tmp_path / "clips"))
    assert "name their folder: one of them" in both.content.decode()
    given = {"name": "x", "table": SimpleUploadedFile("items.csv", as_csv(table(names)))}
    neither = researcher.post(reverse("new-items"), given)
    assert "name their folder: one of them" in neither.content.decode()


def test_what_pages_take_passes_the_servers_too() -> None:
    nginx = (Path(__file__).resolve().parents[4] / "deploy" / "nginx.conf").read_text()
    assert "client_max_body_size 3m;" in nginx
    assert OPTIONS_OF_WEB["max_request_body_size"] == MAX_BODY == 3 * 2**20
    assert max(archives.MOST_BYTES, MAX_SOUND_BYTES, MAX_TABLE_BYTES) < MAX_BODY
