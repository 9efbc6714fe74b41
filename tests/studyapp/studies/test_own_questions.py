"""A researcher's own questions: understood, refused with the reason, asked, validated, exported."""

from __future__ import annotations

import pytest
from django.test import Client

from studyapp.core.errors import StudyError
from studyapp.models.steps import all_steps
from studyapp.studies import own_questions
from tests.studyapp import factories, passages

ENGLISH = """hours (number 0 to 100): How many hours a week do you listen to music?

genre (choice): What do you listen to most?
Pop
Classical music

focus (scale 1 to 3): How well could you concentrate?
Not at all
Very well

else (text): What else should we know?"""
GERMAN = """hours (number 0 to 100): Wie viele Stunden hören Sie pro Woche Musik?

genre (choice): Was hören Sie am meisten?
Pop
Klassik

focus (scale 1 to 3): Wie gut konnten Sie sich konzentrieren?
Gar nicht
Sehr gut

else (text): Was sollten wir noch wissen?"""


def test_texts_of_all_languages_become_questions_and_texts_again() -> None:
    stored = own_questions.joined({"en": ENGLISH, "de": GERMAN})
    assert own_questions.as_text(stored, "en") == ENGLISH
    assert own_questions.as_text(stored, "de") == GERMAN
    assert own_questions.as_text(stored, "ja") == ""
    assert own_questions.problem_with(stored, ["en", "de"], is_asked=True) == ""
    asked = own_questions.of_study(stored, "de")
    assert [one.name for one in asked] == ["q_hours", "q_genre", "q_focus", "q_else"]
    assert asked[1].codes == (("1", "Pop"), ("2", "Klassik"))
    assert asked[2].codes == (("1", "1 Gar nicht"), ("2", "2"), ("3", "3 Sehr gut"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("How old are you?", "a question begins with NAME"),
        ("Age (number): Old?", "its name is 'Age'"),
        ("age (colour): Old?", "its kind is 'colour'; known: text, number, choice, scale"),
        ("age (choice): Old?\nyes", "1 answers below it: a choice has 2 to 20"),
        ("age (scale): Old?", "a scale needs limits"),
        ("age (scale 1 to 99): Old?", "at most 11 points"),
        ("age (number 9 to 1): Old?", "the limits 9 to 1 do not fit"),
        ("age (text): Old?\nyes", "a text has no answers"),
        ("age (text): Old?\n\nage (text): Again?", "two questions are called age"),
        ("age (text): ", "it asks nothing"),
    ],
)
def test_what_cannot_be_understood_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="en") as refused:
        own_questions.joined({"en": text})
    assert said in str(refused.value)


def test_languages_must_ask_the_same() -> None:
    other = GERMAN.replace("scale 1 to 3", "scale 1 to 5")
    with pytest.raises(ValueError, match="de: focus must have the name, kind, limits"):
        own_questions.joined({"en": ENGLISH, "de": other})


@pytest.mark.django_db
def test_a_study_asks_them_in_its_languages_and_exports_them(client: Client) -> None:
    stored = own_questions.joined({"en": ENGLISH, "de": GERMAN})
    study = factories.make_study(
        steps=all_steps(), headphone_check="huggins", languages=["en", "de"], own_questions=stored
    )
    passages.reach(client, study, "questionnaire")
    page = f"/s/{study.slug}/questionnaire/"
    client.post(f"/s/{study.slug}/language/", {"language": "de"})
    assert "Wie viele Stunden" in client.get(page).text
    data = {"q_hours": "7.5", "q_genre": "2", "q_focus": "3", "q_else": "=1+1"}
    for wrong in ({"q_hours": "101"}, {"q_genre": "3"}, {"q_hours": "many"}):
        refused = client.post(page, data | wrong)
        assert refused.status_code == 422
        assert "=1+1" in refused.text
    assert client.post(page, data).status_code == 302
    file, [row] = factories.exported(study, "participants")
    assert [row[f"q_{name}"] for name in ("hours", "genre", "focus", "else")] == [
        7.5, 2, 3, "=1+1",
    ]  # fmt: skip
    genre = next(one for one in file.columns if one.name == "q_genre")
    assert genre.levels == ("1 Pop", "2 Classical music")
    assert "What do you listen to most?" in genre.meaning


@pytest.mark.django_db
def test_a_study_without_the_page_or_a_language_for_them_is_refused() -> None:
    stored = own_questions.joined({"en": ENGLISH})
    with pytest.raises(StudyError, match="no questionnaire"):
        factories.make_study(own_questions=stored)
    with pytest.raises(StudyError, match="own questions are missing in de"):
        factories.make_study(
            steps=all_steps(), languages=["en", "de"], own_questions=stored,
            headphone_check="huggins",
        )  # fmt: skip
