"""Forms of the researchers' pages."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from studyapp.models import Project
from studyapp.services.run_fields import written
from studyapp.services.runs import RunError, config_from_toml

MAX_CONFIG_BYTES = 100_000


class RunForm(forms.Form):
    """A new run: its name, and its config as TOML, typed or as a file, else as fields."""

    name = forms.CharField(max_length=100)
    config = forms.CharField(required=False, max_length=MAX_CONFIG_BYTES, widget=forms.Textarea)
    config_file = forms.FileField(required=False)
    project = forms.ModelChoiceField(
        queryset=Project.objects.none(), required=False, empty_label="administrators alone"
    )

    def __init__(self, *args: Any, projects: QuerySet[Project], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["project"].queryset = projects  # type: ignore[attr-defined] # a model choice

    def clean(self) -> dict[str, Any]:
        """Exactly one config, valid; `cleaned_data["parsed"]` is its plain dict."""
        data = super().clean() or {}
        text = data.get("config", "").strip()
        if data.get("config_file"):
            if text:
                raise forms.ValidationError("Give the config as text or as a file, not both.")
            text = self._text_of_file()
        try:
            text = text or written("", self.data)
            if not text:
                raise forms.ValidationError("Give a config: fill in the fields, or give its text.")
            data["parsed"] = config_from_toml(text=text)
        except RunError as error:
            raise forms.ValidationError(str(error)) from error
        return data

    def _text_of_file(self) -> str:
        upload = self.cleaned_data["config_file"]
        if upload.size > MAX_CONFIG_BYTES:
            raise forms.ValidationError(
                f"The file has {upload.size} bytes, over the limit of {MAX_CONFIG_BYTES}."
            )
        try:
            text: str = upload.read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise forms.ValidationError("The file is not UTF-8 text.") from error
        return text


class ImportForm(forms.Form):
    """A run made elsewhere: where its folder lies on this machine, and its name here."""

    name = forms.CharField(max_length=100)
    directory = forms.CharField(max_length=500)
