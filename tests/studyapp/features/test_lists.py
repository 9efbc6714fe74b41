"""Lists of features, and a study of the best forty from a finished run in few clicks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from studyapp.jobs import tasks
from studyapp.models import AuditRecord, FeatureList, Job, Run, Study
from studyapp.runs.services import feature_columns
from studyapp.wizard.services import drafts
from tests.studyapp import factories
from tests.studyapp.wizard.walk import shown

pytestmark = pytest.mark.django_db
METHODS = ("corpus-tags", "descriptors", "gemini")
MOST_CLICKS = 10


@pytest.fixture
def run() -> Run:
    """Fifty features with scores, under three methods and a control."""
    run = factories.make_run(clips=4, seconds=0.2)
    factories.make_features(run, count=50, exemplars=4, methods=(*METHODS, "random-label"))
    for feature in run.features.all():
        feature.labels.filter(rank=1).update(scores={"detection": feature.index / 100})
    feature_columns.fill(run)
    return run


class Hand:
    """Follows links and presses buttons that are on the page, and counts them."""

    def __init__(self, client: Client, address: str) -> None:
        self.client, self.clicks = client, 0
        self.page: Any = client.get(address)

    @property
    def text(self) -> str:
        """The page."""
        return str(self.page.content.decode())

    def follow(self, address: str) -> None:
        """Follow a link."""
        assert f'href="{address}' in self.text, address
        self._arrive(self.client.get(address))

    def press(self, action: str, **given: Any) -> None:
        """Press a button of a form; the form's other fields as they are shown."""
        here = self.page.wsgi_request.path
        assert action == here or f'action="{action}' in self.text, action
        if action == here and "form" in self.page.context:
            given = shown(self.page) | given
        self._arrive(self.client.post(action, given, follow=True))

    def _arrive(self, page: Any) -> None:
        assert page.status_code == 200, page.context["form"].errors
        self.page, self.clicks = page, self.clicks + 1


def test_a_study_of_the_best_forty_under_three_methods_takes_few_clicks(
    researcher: Client, run: Run
) -> None:
    hand = Hand(researcher, reverse("run", args=[run.pk]))
    hand.follow(reverse("features", args=[run.pk]))
    assert hand.page.context["asked"].order_name == "score"
    name = re.findall(r'name="list" maxlength="100" required value="(.*?)"', hand.text)[0]
    number = re.findall(r'name="first" type="number" min="1" max="10000" value="(.*?)"', hand.text)
    assert number == ["40"]
    hand.press(reverse("add-to-list", args=[run.pk]), list=name, first="40", what="first")
    row = FeatureList.objects.get()
    assert [int(one.split("/")[1]) for one in row.members] == list(range(49, 9, -1))
    hand.press(reverse("study-of-list", args=[run.pk, row.pk]))
    draft = reverse("plan-step", args=[hand.page.context["draft"].pk, "methods"])
    hand.clicks += 1  # the control is unticked
    hand.press(draft, methods=list(METHODS), review="1")
    hand.press(hand.page.wsgi_request.path)
    tasks.work(Job.objects.get(kind=drafts.KIND).pk)
    study = Study.objects.get()
    address = [study.slug, study.version]
    hand.page = researcher.get(reverse("study", args=address))  # The review goes on by itself.
    hand.follow(reverse("study-items", args=address))
    assert len(hand.page.context["features"]) == 40
    hand.clicks += 1  # the confirmation is opened
    hand.press(reverse("freeze-study", args=address))
    study.refresh_from_db()
    assert (study.state, study.selection, study.list_name) == ("frozen", "list", name)
    items = study.items.filter(role="main").select_related("feature")
    assert {item.feature and item.feature.index for item in items} == set(range(10, 50))
    assert {one.method for one in study.conditions.all()} == set(METHODS)
    assert hand.clicks <= MOST_CLICKS, hand.clicks
    assert researcher.get(reverse("study-items", args=address)).status_code == 403


def test_ticked_features_are_added_once_in_order(researcher: Client, run: Run) -> None:
    add = reverse("add-to-list", args=[run.pk])
    names = [f"layer2-n64-k4/{index}" for index in (7, 3, 9)]
    for ticked in (names[:2], names):
        said = {"list": "Drums", "feature": ticked, "what": "ticked"}
        page = researcher.post(add, said, follow=True)
    assert [row.feature.identifier for row in page.context["rows"]] == names
    row = FeatureList.objects.get()
    text = researcher.get(reverse("list-text", args=[run.pk, row.pk])).content.decode()
    assert text.split() == names
    change = reverse("change-list", args=[run.pk, row.pk])
    researcher.post(change, {"what": "remove", "feature": names[1]})
    researcher.post(change, {"what": "rename", "name": "Bass"})
    row.refresh_from_db()
    assert (row.name, row.members) == ("Bass", [names[0], names[2]])
    researcher.post(change, {"what": "delete"})
    assert not FeatureList.objects.exists()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"list": " ", "feature": "layer2-n64-k4/1"}, "a list needs a name"),
        ({"list": "A"}, "no feature was chosen"),
        ({"list": "A", "feature": "elsewhere/1"}, "has no feature elsewhere/1"),
        ({"list": "A", "what": "first", "first": "many"}, "how many is"),
    ],
)
def test_what_cannot_be_listed_is_said(
    researcher: Client, run: Run, given: dict[str, str], line: str
) -> None:
    page = researcher.post(reverse("add-to-list", args=[run.pk]), given, follow=True)
    assert line in page.content.decode()
    assert not FeatureList.objects.exists()


def test_only_what_changed_a_list_is_recorded(researcher: Client, run: Run) -> None:
    add = reverse("add-to-list", args=[run.pk])
    for name in ("Drums", "Bass"):
        researcher.post(add, {"list": name, "feature": "layer2-n64-k4/1", "what": "ticked"})
    change = reverse("change-list", args=[run.pk, FeatureList.objects.get(name="Bass").pk])
    for refused, line in (
        ({"what": "rename", "name": "drums"}, "another list named"),
        ({"what": "burn"}, "is not a change of a list"),
    ):
        page = researcher.post(change, refused, follow=True)
        assert line in page.content.decode()
    researcher.post(change, {"what": "rename", "name": "Bells"})
    made = AuditRecord.objects.order_by("pk").values_list("action", "target")
    assert list(made)[2:] == [("list: rename", "Bells")]


def test_the_step_offers_the_best_and_lists_and_takes_what_can_be_used(
    researcher: Client, run: Run
) -> None:
    run.features.get(index=3).labels.filter(method="gemini", rank__gt=2).delete()
    names = [f"layer2-n64-k4/{index}" for index in (3, 4, 5)]
    row = FeatureList.objects.create(run=run, name="Drums", members=names)
    draft = drafts.begin(created_by=User.objects.get(), run=run)
    address = reverse("plan-step", args=[draft.pk, "features"])
    page = researcher.get(address)
    offered = page.context["form"].fields
    assert [value for value, _ in offered["selection"].choices] == ["random", "best", "list"]
    assert [value for value, _ in offered["best_by"].choices] == [
        "detection", "detection:corpus-tags", "detection:descriptors", "detection:gemini",
    ]  # fmt: skip
    said = shown(page) | {"selection": "list", "feature_list": str(row.pk)}
    assert researcher.post(address, said).status_code == 302
    draft.refresh_from_db()
    assert draft.answers["features_wanted"] == 2
    assert draft.answers["listed"] == [f"{run.identifier}/{name}" for name in names]
    assert (
        "from the list Drums"
        in researcher.get(reverse("plan-review", args=[draft.pk])).content.decode()
    )
    row.delete()
    kept = shown(researcher.get(address))
    assert kept["feature_list"] == "kept"
    assert researcher.post(address, kept).status_code == 302
    best = kept | {"selection": "best", "best_by": "detection:gemini", "features_wanted": "7"}
    researcher.post(address, best)
    draft.refresh_from_db()
    chosen = {name: draft.answers[name] for name in ("best_by", "listed", "features_wanted")}
    assert chosen == {"best_by": "detection:gemini", "listed": [], "features_wanted": 7}


def test_the_sounds_of_a_draft_are_heard_by_its_editors(researcher: Client) -> None:
    study = factories.make_study(state=Study.State.DRAFT, features=4)
    page = researcher.get(reverse("study-items", args=[study.slug, 1]))
    [*rows] = page.context["features"]
    assert [len(row.offers) for row in rows] == [2, 2, 2, 2]
    sound = reverse("study-sound", args=[study.slug, 1, rows[0].stimuli[2].sha256])
    assert sound in page.content.decode()
    assert researcher.get(sound).content[:4] == b"fLaC"
    assert researcher.get(reverse("study-sound", args=[study.slug, 1, "abc"])).status_code == 404


def test_notes_are_of_members_and_go_with_them(client: Client, run: Run) -> None:
    client.force_login(User.objects.create_superuser("ada", password="x"))
    names = [one.identifier for one in run.features.order_by("index")[:3]]
    row = FeatureList.objects.create(run=run, name="n", members=names)
    address = reverse("change-list", args=[run.pk, row.pk])
    said = {"what": "note", "feature": [names[0], names[2], "other/1"], "note": " bells,  <b>soft "}
    page = client.post(address, said, follow=True).content.decode()
    assert page.count("bells, &lt;b&gt;soft") == 2 * 2, (
        "once for wide screens, once for narrow ones"
    )
    row.refresh_from_db()
    assert row.notes == {names[0]: "bells, <b>soft", names[2]: "bells, <b>soft"}
    client.post(address, {"what": "note", "feature": [names[0]], "note": ""})
    client.post(address, {"what": "remove", "feature": [names[2]]})
    row.refresh_from_db()
    assert row.notes == {}
    text = client.post(address, {"what": "note", "note": "x"}, follow=True).content.decode()
    assert "tick those that the note is about" in text
