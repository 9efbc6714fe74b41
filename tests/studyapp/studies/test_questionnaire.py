"""The questions after the trials."""

from __future__ import annotations

from studyapp.studies import questionnaire
from studyapp.studies.questionnaire import GOLD_MSI_ITEMS

WORDING = {
    str(number): {"text": f"Item {number}", "answers": [f"step {n}" for n in range(1, 8)]}
    for number in GOLD_MSI_ITEMS
}
QUESTIONS = {"musical_training": "gold-msi", "wording": {"en": WORDING}}


def test_gold_msi_asks_the_researchers_words_by_number() -> None:
    asked = questionnaire.of_study(QUESTIONS, "en")
    assert [one.name for one in asked[2:]] == [f"gold_msi_{n}" for n in GOLD_MSI_ITEMS]
    assert asked[2].text == "Item 14"
    assert questionnaire.problem_with(QUESTIONS, ["en"]) == ""
    assert "item 14 in de" in questionnaire.problem_with(QUESTIONS, ["en", "de"])


def test_gold_msi_turns_its_reversed_items_and_sums_to_7_to_49() -> None:
    least = {f"gold_msi_{n}": "7" if n in (14, 27) else "1" for n in GOLD_MSI_ITEMS}
    most = {f"gold_msi_{n}": "1" if n in (14, 27) else "7" for n in GOLD_MSI_ITEMS}
    assert questionnaire.training_score(least, QUESTIONS) == 7
    assert questionnaire.training_score(most, QUESTIONS) == 49
    assert questionnaire.training_score(most | {"gold_msi_33": "not_said"}, QUESTIONS) is None


def test_ours_sums_to_12_at_most_and_an_answer_left_out_leaves_no_sum() -> None:
    names = [one.name for one in questionnaire.training({}, "en")]
    assert questionnaire.training_score(dict.fromkeys(names, "4"), {}) == 12
    assert questionnaire.training_score({names[0]: "4"}, {}) is None
