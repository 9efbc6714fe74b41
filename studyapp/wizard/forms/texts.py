"""What participants read."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from studyapp import texts
from studyapp.models.trial_kinds import TRIAL_KINDS
from studyapp.studies import own_questions, questionnaire
from studyapp.studies.services.protocol import FACTS, TEXTS, default_text
from studyapp.studies.settings import setting
from studyapp.wizard.forms.base import Group, StepForm, field_of
from studyapp.wizard.services.answers import Answers

WORDING = (
    "To use the Goldsmiths index, supply its wording, which you must have the right to use: one "
    f"paragraph for each of the items {', '.join(map(str, questionnaire.GOLD_MSI_ITEMS))}, in this "
    "order, with empty lines between them. First the item, then its seven answers, one per line."
)

OWN_QUESTIONS = (
    "Asked after the trials, on the questionnaire’s page; all can be skipped. One paragraph per "
    "question, with empty lines between them. Its first line is NAME (KIND): TEXT. KIND is text, "
    "number, “number 0 to 100”, choice with its answers below it, one per line, or “scale 1 to 7” "
    "with the words of its two ends below it. The export has a column q_NAME for each. Every "
    "language of the study has the same questions."
)
OWN = (*TEXTS, *FACTS)
"""What each further language has of its own."""


class WordingField(forms.CharField):
    """Gold-MSI wording as text; its clean value is a mapping, empty if nothing was given."""

    def __init__(self, label: str) -> None:
        super().__init__(
            required=False, label=label, widget=forms.Textarea(attrs={"rows": 8}), strip=True
        )

    def clean(self, value: Any) -> dict[str, Any]:
        """Parse the wording; the error names what is missing."""
        text = super().clean(value).replace("\r\n", "\n")
        try:
            return questionnaire.wording_of(text) if text else {}
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


class QuestionsField(forms.CharField):
    """A language's own questions as text; its clean value is that text, which can be understood."""

    def __init__(self, code: str, language: str) -> None:
        super().__init__(
            required=False, label=f"Questions in {language}", max_length=20_000,
            widget=forms.Textarea(attrs={"rows": 8, "dir": "auto"}),
        )  # fmt: skip
        self.code = code

    def clean(self, value: Any) -> str:
        """Parse the questions; the error names the one that cannot be understood."""
        text = str(super().clean(value))
        try:
            own_questions.joined({self.code: text})
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None
        return text


class TextsForm(StepForm):
    """What participants read."""

    step = "texts"
    checks_all = True

    title = "Texts"
    intro = "Markdown is supported. Do not reveal the methods being compared."
    # Not `title`: templates read that as the title of the page.
    title_ = field_of(setting("title"))
    language = forms.ChoiceField(label="Language", choices=settings.LANGUAGES)
    further = forms.MultipleChoiceField(
        required=False, label="Also in", choices=settings.LANGUAGES,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    consent_text = field_of(setting("consent_text"), widget=forms.Textarea(attrs={"rows": 12}))
    instructions_text = field_of(
        setting("instructions_text"), widget=forms.Textarea(attrs={"rows": 8})
    )
    debrief_text = field_of(setting("debrief_text"), widget=forms.Textarea(attrs={"rows": 5}))
    musical_training = forms.ChoiceField(
        widget=forms.RadioSelect,
        label="Instrument",
        choices=[
            ("own", "Three questions that come with Earwitness: lessons, playing, theory"),
            ("gold-msi", "The Goldsmiths index (Gold-MSI), Musical Training: seven items"),
        ],
    )

    def shown(self, answers: Answers) -> dict[str, Any]:
        """The first language fills the fields named like the settings, the others their own."""
        first, *further = answers["languages"]
        shown = dict(answers) | {
            "title_": answers["title"], "language": first, "further": further,
        }  # fmt: skip
        for language, own in answers["texts"].items():
            shown |= {f"{name}__{language}": text for name, text in own.items()}
        questions = answers["questions"]
        for language, wording in questions.get("wording", {}).items():
            shown[f"wording__{language}"] = questionnaire.wording_as_text(wording)
        for code, _ in settings.LANGUAGES:
            shown[f"asked__{code}"] = own_questions.as_text(answers["own_questions"], code)
        return shown | {"musical_training": questions.get("musical_training", "own")}

    def arrange(self) -> None:
        """Add a collapsed group for the texts of each further language."""
        groups = [
            Group("The study", ("title_", "slug")),
            Group(
                "Facts on the consent page",
                (*FACTS, "contact", "ethics_approval"),
                "The duration is added automatically.",
            ),
            Group("Languages", ("language", "further")),
            Group("Texts", ("consent_text", "instructions_text", "debrief_text")),
        ]
        for code, language in settings.LANGUAGES:
            self.fields[f"wording__{code}"] = WordingField(f"Wording in {language}")
        wordings = tuple(f"wording__{code}" for code, _ in settings.LANGUAGES)
        groups.append(
            Group("Questions on musical training", ("musical_training", *wordings), WORDING, True)
        )
        for code, language in settings.LANGUAGES:
            self.fields[f"asked__{code}"] = QuestionsField(code, language)
        asked = tuple(f"asked__{code}" for code, _ in settings.LANGUAGES)
        groups.append(Group("Your own questions", asked, OWN_QUESTIONS, True))
        for code, language in settings.LANGUAGES:
            for name in OWN:
                field = field_of(setting(name), required=False, help_text="")
                field.widget.attrs["dir"] = "auto"
                if name.endswith("_text"):
                    field.widget.attrs["rows"] = 5
                self.fields[f"{name}__{code}"] = field
            names = tuple(f"{name}__{code}" for name in OWN)
            hint = "Used if this is an additional language. If empty, the default text is used, or "
            hint += "what the first language says."
            groups.append(Group(f"Texts in {language}", names, hint, folded=True))
        self.groups = tuple(groups)

    def clean(self) -> dict[str, Any]:
        """Refuse wording that was pasted without choosing the index: it would be lost."""
        self._check_own_questions()
        data: dict[str, Any] = super().clean() or {}
        is_own = data.get("musical_training") == "own"
        was_own = self.answers["questions"].get("musical_training") != "gold-msi"
        if is_own and was_own and any(data.get(f"wording__{c}") for c, _ in settings.LANGUAGES):
            self.add_error(
                "musical_training",
                "The fields below contain wording of the Goldsmiths index: choose the index, "
                "or clear them.",
            )
        return data

    def _check_own_questions(self) -> None:
        """All languages of the study must ask the same."""
        if "language" not in self.cleaned_data:
            return  # which is refused by itself
        try:
            own_questions.joined(self._asked(self.cleaned_data))
        except ValueError as error:
            self.add_error(f"asked__{self.cleaned_data['language']}", str(error))

    def _asked(self, data: dict[str, Any]) -> dict[str, str]:
        """Language → text of the own questions, the study's first language first."""
        spoken = [data.get("language", ""), *data.get("further", ())]
        return {code: text for code in spoken if (text := data.get(f"asked__{code}"))}

    def plain(self) -> Answers:
        """Join the languages into one list; default texts follow the first language."""
        data = dict(self.cleaned_data)
        own_asked = own_questions.joined(self._asked(data))
        for code, _ in settings.LANGUAGES:
            del data[f"asked__{code}"]
        first = data.pop("language")
        further = [one for one in data.pop("further") if one != first]
        own: dict[str, dict[str, str]] = {}
        for code, _ in settings.LANGUAGES:
            given = {name: data.pop(f"{name}__{code}") for name in OWN}
            if code in further:
                own[code] = {name: text for name, text in given.items() if text}
        data["title"] = data.pop("title_")
        for name in texts.NAMES:
            if data[f"{name}_text"].replace("\r\n", "\n").strip() in texts.stock(name):
                data[f"{name}_text"] = default_text([first], name, self._trial_type)
        return data | {
            "languages": [first, *further], "texts": own, "questions": self._questions(data),
            "own_questions": own_asked,
        }  # fmt: skip

    @property
    def _trial_type(self) -> str:
        return TRIAL_KINDS[self.answers["option_policy"]].trial_type

    def _questions(self, data: dict[str, Any]) -> dict[str, Any]:
        """`Study.questions`; its fields are taken out of `data`. Our own stay as they were."""
        wording = {code: data.pop(f"wording__{code}") for code, _ in settings.LANGUAGES}
        if data.pop("musical_training") == "gold-msi":
            given = {code: items for code, items in wording.items() if items}
            return {"musical_training": "gold-msi", "wording": given}
        kept: dict[str, Any] = self.answers["questions"]
        return {} if kept.get("musical_training") == "gold-msi" else kept
