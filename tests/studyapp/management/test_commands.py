"""What commands refuse, in one clear line each. Serving and simulating are tested end to end."""

from __future__ import annotations

import json
import stat
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import RequestFactory

from analysis.reading.plan import read_plan
from pipeline.run import STAGES
from studyapp.accounts.services.accounts import machine_login
from studyapp.hosting.serving import ServingError, Site
from studyapp.management.commands import demo
from studyapp.management.commands.create_study import _gold_msi, _own_questions
from studyapp.management.run_bars import RunBars
from studyapp.models import NoticeSettings, Project, Run, StageRecord, Study, StudySeries
from studyapp.recruitment.services import person_lists
from studyapp.studies.questionnaire import GOLD_MSI_ITEMS, GOLD_MSI_STEPS
from tests.studyapp import factories, run_directories

pytestmark = pytest.mark.django_db


def test_a_study_is_made_frozen_and_opened() -> None:
    run = factories.make_run()
    factories.make_features(run, count=6)
    out = StringIO()
    call_command(
        "create_study", run.name, "--slug", "made", "--features", "4", "--trials", "2", "--open",
        stdout=out,
    )  # fmt: skip
    study = Study.objects.get(slug="made")
    assert (study.state, study.items.filter(role="main").count()) == (Study.State.OPEN, 8)
    assert out.getvalue() == "made v1 is open: 8 items\n"


def test_a_study_is_made_with_every_setting(tmp_path: Path) -> None:
    wording = tmp_path / "gold-msi.txt"
    wording.write_text("\n\n".join(["Item\n1\n2\n3\n4\n5\n6\n7"] * 7), encoding="utf-8")
    run, other = factories.make_run(name="one"), factories.make_run(name="two")
    for one in (run, other):
        factories.make_features(one, count=12)
        factories.make_features(one, count=6, sae="layer3-n64-k4")
    errors = StringIO()
    call_command(
        "create_study", "one", "--more-runs", "two", "--slug", "made", "--features", "12",
        "--trials", "4", "--saes", "layer2-n64-k4", "--strata", "layer,rate", "--design", "within",
        "--policy", "identification", "--catch", "1", "--repeats", "2", "--quality",
        "fast_seconds=3", "--code", "complete=DONE", "--code", "no_consent=NO",
        "--entry", "token", "--service", "prolific",
        "--external-study", "theirs", "--payment", "3.50EUR", "--steps", "paper", "--loudness",
        "-20", "--gold-msi", f"en={wording}", "--institution", "The university",
        "--compensation", "cake", "--retention", "ten years", stdout=StringIO(), stderr=errors,
    )  # fmt: skip
    assert errors.getvalue() == "The consent page does not state whom to contact.\n"
    study = Study.objects.get()
    assert (study.design, study.option_policy, study.saes, study.strata) == (
        "within", "identification", ["layer2-n64-k4"], ["layer", "rate"],
    )  # fmt: skip
    assert (study.catch_trials, study.repeat_trials, study.codes) == (
        1, 2, {"complete": "DONE", "no_consent": "NO"},
    )  # fmt: skip
    assert study.quality_rules == {"fast_seconds": 3.0, "straight_line": 5}
    assert set(study.runs.all()) == {run, other}
    assert study.loudness_lufs == -20.0
    assert study.questions["wording"]["en"]["14"]["answers"] == list("1234567")
    row = study.recruitment
    assert (row.entry, row.service, row.external_study) == ("token", "prolific", "theirs")
    assert (str(row.payment), row.currency) == ("3.50", "EUR")


def test_another_service_and_who_cannot_begin_are_given_by_options() -> None:
    project = Project.objects.create(name="Ours")
    run = factories.make_run(name="known")
    factories.make_features(run, count=6)
    Run.objects.update(project=project)
    earlier = factories.make_study(slug="earlier")
    StudySeries.objects.update(project=project)
    people, _ = person_lists.add(project=project, name="Class of 2025", identifiers=["a1"])
    call_command(
        "create_study", "known", "--slug", "made", "--features", "4", "--trials", "2",
        "--service", "other", "--service-name", "SONA", "--person-parameter", "survey_code",
        "--return-address", "https://x.sona-systems.com/?survey_code={person}",
        "--keep-out", "earlier", "--keep-out-list", "Class of 2025",
        "--time-zone", "Europe/Berlin", stdout=StringIO(), stderr=StringIO(),
    )  # fmt: skip
    study = Study.objects.get(slug="made")
    row = study.recruitment
    assert (row.service, row.service_name, row.person_parameter) == ("other", "SONA", "survey_code")
    assert row.return_address.endswith("survey_code={person}")
    assert [*row.excluded.all()] == [earlier.series]
    assert [*row.excluded_lists.all()] == [people]
    assert study.series.time_zone == "Europe/Berlin"
    call_command(
        "create_study", "known", "--slug", "made", "--features", "4", "--trials", "2",
        "--service", "other", stdout=StringIO(), stderr=StringIO(),
    )  # fmt: skip
    following = Study.objects.get(slug="made", version=2).recruitment
    assert (following.service_name, following.return_address) == ("SONA", row.return_address)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["known", "--service", "other"], "give the other service's name"),
        (
            ["known", "--service-name", "SONA"],
            "--service-name is for another service than Prolific",
        ),
        (
            ["known", "--service", "other", "--service-name", "S", "--return-address", "sona"],
            "the way back is 'sona': give an address",
        ),
        (
            ["known", "--service", "other", "--service-name", "S", "--person-parameter", "t"],
            "the link's parameter is 't'",
        ),
        (["known", "--keep-out", "x"], "the run's project has no other study 'x'; it has none"),
        (["known", "--keep-out-list", "x"], "has no list of people 'x'; it has none"),
        (["known", "--time-zone", "Mars/Base"], "such as Europe/Berlin"),
        (["known", "--features", "4", "--trials", "2", "--payment", "much"], "an amount and a cur"),
        (
            ["known", "--service", "prolific"],
            "Prolific needs completion codes, and there is none for complete, no_consent, "
            "incompatible_device: set them up",
        ),
        (["known", "--quality", "fast_seconds=soon"], "is not NAME=VALUE"),
        (["known", "--strata", "colour"], "strata must be from"),
        (["known", "--gold-msi", "en=nowhere.txt"], "en=nowhere.txt: .*No such file"),
        (["known", "--questions", "en=nowhere.txt"], "en=nowhere.txt: .*No such file"),
        (["known", "--most-plays", "101"], "most_plays is 101: it must be from 0 to 100"),
        (["nothing"], "there is no run 'nothing'"),
        (["known", "--methods", "gemini"], "has no labels by gemini"),
        (["known", "--features", "99"], "99"),
    ],
)
def test_a_study_that_cannot_be_made(arguments: list[str], line: str) -> None:
    factories.make_features(factories.make_run(name="known"), count=6)
    with pytest.raises(CommandError, match=line):
        call_command("create_study", *arguments, "--slug", "made")
    assert not Study.objects.exists()


def test_notices_of_a_project_are_set_and_shown_by_command() -> None:
    Project.objects.create(name="The lab")
    out = StringIO()
    call_command("notices", "The lab", "--mail-to", "a@x.org", "--quiet-hours", "8", stdout=out)
    call_command("notices", "The lab", "--quiet-hours", "12", stdout=out)
    row = NoticeSettings.objects.get()
    assert (row.mail_to, row.webhook, row.quiet_hours) == ("a@x.org", "", 12)
    assert out.getvalue().splitlines()[-1] == (
        "The lab: mail to a@x.org, no webhook, after 12 hours without an answer"
    )
    call_command("notices", "The lab", "--mail-to", "", "--quiet-hours", "0", stdout=out)
    assert out.getvalue().endswith("no mail, no webhook, never for silence\n")
    for arguments, line in (
        (["Nobody"], "there is no project 'Nobody'"),
        (["The lab", "--webhook", "http://127.0.0.1/"], "give an address such as https"),
        (["The lab", "--quiet-hours", "1000"], "it must be from 1 to 720"),
    ):
        with pytest.raises(CommandError, match=line):
            call_command("notices", *arguments)


def test_a_run_is_imported_and_a_stranger_refused(tmp_path: Path) -> None:
    run_directories.make(tmp_path / "run")
    out = StringIO()
    call_command("import_run", str(tmp_path / "run"), "--name", "theirs", stdout=out)
    assert out.getvalue() == "run theirs (kkkkkkkkkkkk): 3 features\n"
    with pytest.raises(CommandError, match=r"is missing; is .* a run directory"):
        call_command("import_run", str(tmp_path), "--name", "other")


def test_a_run_is_imported_for_a_project(tmp_path: Path) -> None:
    project = Project.objects.create(name="Hearing")
    given = ["import_run", str(run_directories.make(tmp_path / "run").path), "--name", "theirs"]
    with pytest.raises(CommandError, match="there is no project named 'Seeing'"):
        call_command(*given, "--project", "Seeing")
    call_command(*given, "--project", "Hearing", stdout=StringIO())
    run = Run.objects.get()
    assert (run.project, run.origin, run.state) == (project, Run.Origin.IMPORT, Run.State.DONE)


def test_the_machines_login_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "researcher.json"
    name, password = machine_login(path=path)
    assert machine_login(path=path) == (name, password)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    user = authenticate(RequestFactory().post("/login/"), username=name, password=password)
    assert user is not None
    assert user.is_active


def test_a_login_changed_in_its_file_is_the_accounts(tmp_path: Path) -> None:
    path = tmp_path / "researcher.json"
    machine_login(path=path)
    path.write_text(json.dumps({"name": "researcher", "password": "another-one"}))
    machine_login(path=path)
    at_the_door = RequestFactory().post("/login/")
    assert authenticate(at_the_door, username="researcher", password="another-one") is not None


def _site(port: int) -> Site:
    import threading

    return Site(
        host="127.0.0.1", port=port, web_workers=1, say=lambda _: None, over=threading.Event()
    )


def test_a_data_folder_is_served_once(tmp_path: Path) -> None:
    first, second = _site(0), _site(0)
    first.reserve()
    with pytest.raises(ServingError, match=r"is already served at \S+ by process \d+"):
        second.reserve()
    first.stop()
    second.reserve()
    second.stop()


def test_a_port_in_use_is_reported() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        site = _site(taken.getsockname()[1])
        with pytest.raises(ServingError, match="is in use; give another --port"):
            site.reserve()
        site.stop()


def test_the_demo_study_fills_its_places_and_its_plan_judges_every_method() -> None:
    design, plan = demo.STUDY, read_plan({"analysis_plan": demo.PLAN})
    answers = design["features_wanted"] * len(demo.METHODS) * design["ratings_per_item"]
    assert answers == 90 * design["trials_per_participation"]
    assert plan.comparisons is not None
    assert {method for pair in plan.comparisons for method in pair} == set(demo.METHODS)
    assert not plan.unknown


def test_the_demo_run_has_the_studys_methods_and_scores_them_with_clap(tmp_path: Path) -> None:
    shipped = Path(settings.BASE_DIR) / "fixtures" / "demo.toml"
    config = demo._config(shipped, tmp_path)
    assert set(demo.METHODS) <= set(config["labels"]["methods"])
    assert {"clap", "detection"} <= set(config["scores"]["scorers"])
    assert (Path(config["clap"]["model"]) / "model.safetensors").is_file()


def test_the_demo_config_is_read_with_the_corpus_that_was_made(tmp_path: Path) -> None:
    path = tmp_path / "demo.toml"
    path.write_text('[subject]\nmodel = "./nano"\nhookpoints = ["decoder.layers.0.resid_post"]\n')
    config = demo._config(path, tmp_path / "corpus")
    assert config["subject"]["model"] == str(tmp_path / "nano")
    assert config["corpus"]["path"] == str(tmp_path / "corpus")
    path.write_text("[subject]\nmodell = 1\n")
    with pytest.raises(CommandError, match=r"demo\.toml: \[subject\] unknown key 'modell'"):
        demo._config(path, tmp_path)
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        demo._config(tmp_path / "none.toml", tmp_path)


def test_a_failed_demo_run_takes_the_config_as_it_is_now() -> None:
    run = demo._make_run(run_directories.CONFIG)
    assert (run.name, run.state) == ("demo", Run.State.QUEUED)
    Run.objects.update(state=Run.State.FAILED)
    demo._make_run({**run_directories.CONFIG, "sae": {"steps": 9}})
    assert Run.objects.get().config["sae"]["steps"] == 9


def test_bars_follow_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run.objects.create(name="r", directory="runs/r", config={})
    old = StageRecord.objects.create(run=run, stage="corpus", order=0, state="done")
    stage = StageRecord.objects.create(run=run, stage="sae", order=1, state="running")
    stage.done, stage.total, stage.unit = 3, 4, "step"
    with RunBars() as bars:
        bars.show([old, stage])
        stage.done, stage.state = 4, StageRecord.State.DONE
        bars.show([old, stage])
        bars.show([old, stage])
    said = capsys.readouterr().err
    assert "corpus" not in said
    assert "4/4" in said
    assert settings.DATA.exists()


DAMAGES = {
    "run.json": ["[]", "null", '{"config": 7}', '{"config": {"a": 1}}', "", None],
    "manifest.json": [
        "[]", '{"stages": []}', '{"stages": {"sae": 7}}', None,
        json.dumps({"stages": {stage: {"files": {}} for stage in STAGES}}),
        json.dumps({"stages": {stage: {"files": {}, "summary": {}} for stage in STAGES}}),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in DAMAGES.items() for text in texts]
)
def test_a_damaged_run_is_refused_in_a_line(tmp_path: Path, name: str, text: str | None) -> None:
    path = run_directories.make(tmp_path / "run").path / name
    path.unlink()
    if text is None:
        path.mkdir()
    else:
        path.write_text(text)
    with pytest.raises(CommandError) as refused:
        call_command("import_run", str(tmp_path / "run"), "--name", "theirs")
    assert "\n" not in str(refused.value)
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "data", [b"", b"a\0b", b"\xff", "a".encode("utf-16-le"), b"x\r\ry", b"\xff\xfe\x00\xd8", None]
)
def test_an_odd_file_of_gold_msi_is_refused_in_a_line(tmp_path: Path, data: bytes | None) -> None:
    if data is None:
        (tmp_path / "en.txt").mkdir()
    else:
        (tmp_path / "en.txt").write_bytes(data)
    with pytest.raises(CommandError) as refused:
        _gold_msi([f"en={tmp_path / 'en.txt'}"])
    assert str(refused.value).startswith(f"--gold-msi en={tmp_path / 'en.txt'}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_marked_file_of_gold_msi_is_read(tmp_path: Path, encoding: str) -> None:
    answers = "\r\n".join(f"ä{n}" for n in range(GOLD_MSI_STEPS))
    text = "\r\n\r\n".join(f"Item {n}\r\n{answers}" for n in GOLD_MSI_ITEMS)
    (tmp_path / "en.txt").write_bytes(text.encode(encoding))
    wording = _gold_msi([f"en={tmp_path / 'en.txt'}"])["wording"]["en"]
    assert wording[str(GOLD_MSI_ITEMS[0])]["answers"][0] == "ä0"


def test_a_table_without_a_column_is_refused_in_a_line(tmp_path: Path) -> None:
    directory = run_directories.make(tmp_path / "run")
    with directory.writer("exemplars") as writer:
        table = directory.read_table(f"exemplars/{run_directories.SAE}.parquet")
        writer.write_table(f"exemplars/{run_directories.SAE}.parquet", table.drop(["feature"]))
    with pytest.raises(CommandError, match=r"lacks the column or feature 'feature'$"):
        call_command("import_run", str(tmp_path / "run"), "--name", "theirs")


def test_own_questions_come_from_a_file_of_each_language(tmp_path: Path) -> None:
    file = tmp_path / "en.txt"
    file.write_text("age (number): How old?", encoding="utf-8-sig")
    [question] = _own_questions([f"en={file}"])
    assert (question["name"], question["kind"]) == ("age", "number")
    file.write_text("How old?", encoding="utf-8")
    with pytest.raises(CommandError, match=r"--questions: en, .*a question begins with NAME"):
        _own_questions([f"en={file}"])
