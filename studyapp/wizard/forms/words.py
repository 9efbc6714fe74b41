"""What participants read, and how they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings

from studyapp import texts
from studyapp.models import Recruitment
from studyapp.recruitment.services.entry import ENDINGS
from studyapp.studies import questionnaire
from studyapp.studies.services.settings import default_text
from studyapp.wizard.forms.base import Group, StepForm
from studyapp.wizard.services.drafts import Answers

WORDING = (
    "The Goldsmiths index needs its wording, and you need the right to use it: one paragraph for "
    f"each of the items {', '.join(map(str, questionnaire.GOLD_MSI_ITEMS))}, in this order, with "
    "an empty line between them. First the item, then its seven answers, one per line."
)


class WordingField(forms.CharField):
    """Gold-MSI wording as text; clean, a mapping, empty where nothing was given."""

    def __init__(self, label: str) -> None:
        super().__init__(
            required=False, label=label, widget=forms.Textarea(attrs={"rows": 8}), strip=True
        )

    def clean(self, value: Any) -> dict[str, Any]:
        """Parsed; what is missing is said."""
        text = super().clean(value).replace("\r\n", "\n")
        try:
            return questionnaire.wording_of(text) if text else {}
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


class TextsForm(StepForm):
    """What participants read."""

    checks_all = True

    title = "Texts"
    intro = "Markdown is supported. Do not reveal the methods being compared."
    owned = ("title", *(f"{name}_text" for name in texts.NAMES))
    title_ = forms.CharField(max_length=120, label="Title", help_text="Shown to participants.")
    slug = forms.SlugField(
        max_length=60, label="Short name", help_text="Part of the link that participants follow."
    )
    language = forms.ChoiceField(label="Language", choices=settings.LANGUAGES)
    further = forms.MultipleChoiceField(
        required=False, label="Also in", choices=settings.LANGUAGES,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    consent_text = forms.CharField(
        label="Information and consent", widget=forms.Textarea(attrs={"rows": 12})
    )
    instructions_text = forms.CharField(
        label="Instructions", widget=forms.Textarea(attrs={"rows": 8})
    )
    debrief_text = forms.CharField(
        label="Debrief, at the end", required=False, widget=forms.Textarea(attrs={"rows": 5})
    )
    contact = forms.CharField(
        required=False,
        max_length=200,
        label="Contact",
        help_text="Shown at the bottom of every page.",
    )
    ethics_approval = forms.CharField(required=False, max_length=100, label="Ethics approval")
    musical_training = forms.ChoiceField(
        widget=forms.RadioSelect,
        label="Instrument",
        choices=[
            ("own", "Three questions that come with Earwitness: lessons, playing, theory"),
            ("gold-msi", "The Goldsmiths index (Gold-MSI), Musical Training: seven items"),
        ],
    )

    def shown(self, answers: Answers) -> dict[str, Any]:
        """First language in the fields of that name, the others in fields of their own."""
        first, *further = answers["languages"]
        shown = dict(answers) | {
            "title_": answers["title"], "language": first, "further": further,
        }  # fmt: skip
        for language, own in answers["texts"].items():
            shown |= {f"{name}__{language}": text for name, text in own.items()}
        questions = answers["questions"]
        for language, wording in questions.get("wording", {}).items():
            shown[f"wording__{language}"] = questionnaire.wording_as_text(wording)
        return shown | {"musical_training": questions.get("musical_training", "own")}

    def arrange(self) -> None:
        """A folded group for the texts of each language that can be a further one."""
        groups = [
            Group("The study", ("title_", "slug", "contact", "ethics_approval")),
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
            for name in self.owned:
                own = self.base_fields["title_" if name == "title" else name]
                is_long = name != "title"
                field = forms.CharField(
                    required=False, label=own.label, max_length=None if is_long else 120,
                    widget=forms.Textarea(attrs={"rows": 5}) if is_long else forms.TextInput(),
                )  # fmt: skip
                self.fields[f"{name}__{code}"] = field
            names = tuple(f"{name}__{code}" for name in self.owned)
            hint = "Used if this is an additional language. If empty, the default text is used."
            groups.append(Group(f"Texts in {language}", names, hint, folded=True))
        self.groups = tuple(groups)

    def clean(self) -> dict[str, Any]:
        """Wording that was newly pasted is not dropped in silence for want of the choice."""
        data: dict[str, Any] = super().clean() or {}
        is_own = data.get("musical_training") == "own"
        was_own = self.answers["questions"].get("musical_training") != "gold-msi"
        if is_own and was_own and any(data.get(f"wording__{c}") for c, _ in settings.LANGUAGES):
            self.add_error(
                "musical_training",
                "Wording of the Goldsmiths index is given below: choose the index, "
                "or empty its fields.",
            )
        return data

    def plain(self) -> Answers:
        """One list of languages; texts that come with another language follow the choice."""
        data = dict(self.cleaned_data)
        first = data.pop("language")
        further = [one for one in data.pop("further") if one != first]
        own: dict[str, dict[str, str]] = {}
        for code, _ in settings.LANGUAGES:
            given = {name: data.pop(f"{name}__{code}") for name in self.owned}
            if code in further:
                own[code] = {name: text for name, text in given.items() if text}
        data["title"] = data.pop("title_")
        for name in texts.NAMES:
            stock = [texts.default(name, one) for one in texts.LANGUAGES]
            if data[f"{name}_text"].replace("\r\n", "\n").strip() in stock:
                data[f"{name}_text"] = default_text([first], name)
        return data | {
            "languages": [first, *further], "texts": own, "questions": self._questions(data),
        }  # fmt: skip

    def _questions(self, data: dict[str, Any]) -> dict[str, Any]:
        """`Study.questions`; the fields are taken out of `data`. Ours, unchanged, stay as kept."""
        wording = {code: data.pop(f"wording__{code}") for code, _ in settings.LANGUAGES}
        if data.pop("musical_training") == "gold-msi":
            given = {code: items for code, items in wording.items() if items}
            return {"musical_training": "gold-msi", "wording": given}
        kept: dict[str, Any] = self.answers["questions"]
        return {} if kept.get("musical_training") == "gold-msi" else kept


class RecruitmentForm(StepForm):
    """How participants come."""

    checks_all = True

    title = "Recruitment"
    groups = (
        Group("Who may enter", ("entry",)),
        Group("Recruiting service", ("service", "external_study")),
        Group("Payment", ("payment", "currency"),
              "Per completed participation, for cost estimates."),
        Group("Completion codes set up on Prolific", tuple(f"code_{e}" for e in ENDINGS),
              "If empty, every participant gets a different code.", folded=True),
    )  # fmt: skip
    entry = forms.ChoiceField(widget=forms.RadioSelect, choices=Recruitment.Entry.choices)
    service = forms.ChoiceField(choices=Recruitment.Service.choices, label="Service")
    external_study = forms.CharField(required=False, max_length=64, label="Study ID at the service")
    payment = forms.DecimalField(
        required=False, min_value=0, max_digits=8, decimal_places=2, label="Amount"
    )
    currency = forms.RegexField(
        r"^[A-Z]{3}$", label="Currency", help_text="Three letters: EUR, GBP, USD."
    )
    code_complete = forms.CharField(required=False, max_length=20, label="Complete")
    code_screened_out = forms.CharField(required=False, max_length=20, label="Screened out")
    code_no_consent = forms.CharField(required=False, max_length=20, label="No consent")
    code_incompatible_device = forms.CharField(
        required=False, max_length=20, label="Incompatible device"
    )

    def shown(self, answers: Answers) -> dict[str, Any]:
        """Each code in a field of its own."""
        codes: Mapping[str, str] = answers["codes"]
        return dict(answers) | {f"code_{ending}": codes.get(ending, "") for ending in ENDINGS}

    def plain(self) -> Answers:
        """The codes that were given, as one mapping; the amount as text, to stay exact."""
        data = dict(self.cleaned_data)
        codes = {ending: data.pop(f"code_{ending}") for ending in ENDINGS}
        payment = data["payment"]
        return data | {
            "codes": {ending: code for ending, code in codes.items() if code},
            "payment": None if payment is None else f"{payment:.2f}",
        }
