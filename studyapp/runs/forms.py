"""Forms that start or import a run, or add a table of items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import QuerySet

from studyapp.core.errors import RunError
from studyapp.core.permissions import projects_of, running_projects
from studyapp.core.text_files import decoded
from studyapp.models import Project, Role
from studyapp.runs.services import policy, readiness
from studyapp.runs.services.configs import Configs, configs_from_toml
from studyapp.runs.services.form_fields import written
from studyapp.runs.services.item_tables import archives

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

MAX_CONFIG_BYTES = 100_000
MAX_TABLE_BYTES = 2_000_000
NOBODYS = "Administrators only"
"""Choice for no project: such runs are visible only to administrators."""


class RunForm(forms.Form):
    """A new run, or with [sweep] one per subject: its name, and its config as TOML (typed or as a
    file) or as fields."""

    name = forms.CharField(max_length=100)
    config = forms.CharField(required=False, max_length=MAX_CONFIG_BYTES, widget=forms.Textarea)
    config_file = forms.FileField(required=False)
    project = forms.ModelChoiceField(queryset=Project.objects.none(), empty_label=None)

    def __init__(self, *args: Any, user: User | AnonymousUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_trusted = policy.is_trusted(user)
        project: Any = self.fields["project"]
        project.queryset = running_projects(user)
        if self.is_trusted:
            project.required, project.empty_label = False, NOBODYS

    def clean(self) -> dict[str, Any]:
        """Require exactly one valid config; `cleaned_data["configs"]` has the plain dict of each
        run, by its subject's name."""
        data = super().clean() or {}
        text = data.get("config", "").strip()
        if data.get("config_file"):
            if text:
                raise forms.ValidationError(
                    "Give the config either as text or as a file, not both."
                )
            text = self._text_of_file()
        try:
            text = text or written("", self.data)
            if not text:
                raise forms.ValidationError("Give a config: fill in the fields, or enter its text.")
            data["configs"] = checked_configs(text, trusted=self.is_trusted)
            readiness.require(*data["configs"].values())
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
            return decoded(upload.read())
        except ValueError as error:
            raise forms.ValidationError(f"The file is {error}.") from error


class ItemsForm(forms.Form):
    """A table of items: its name, file and project, and its clips: a ZIP, or their folder here."""

    name = forms.CharField(max_length=100)
    project = forms.ModelChoiceField(queryset=Project.objects.none(), empty_label=None)
    table = forms.FileField(max_length=200)
    clips = forms.CharField(max_length=500, required=False)
    sounds = forms.FileField(max_length=200, required=False)

    def __init__(self, *args: Any, user: User | AnonymousUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        project: Any = self.fields["project"]
        project.queryset = projects_of(user, Role.EDITOR)
        if policy.is_trusted(user):
            project.required, project.empty_label = False, NOBODYS

    def clean_table(self) -> Any:
        """Refuse a file that is too large to be a table."""
        upload = self.cleaned_data["table"]
        if upload.size > MAX_TABLE_BYTES:
            raise forms.ValidationError(
                f"The file has {upload.size:,} bytes, over the limit of {MAX_TABLE_BYTES:,}."
            )
        return upload

    def clean_sounds(self) -> Any:
        """Refuse a file that is too large."""
        upload = self.cleaned_data["sounds"]
        if upload and upload.size > archives.MOST_BYTES:
            raise forms.ValidationError(
                f"The file has {upload.size:,} bytes, over the limit of {archives.MOST_BYTES:,}: "
                "send the clips as MP3 or OGG, or have them put in a folder on this machine."
            )
        return upload

    def clean(self) -> dict[str, Any]:
        """The clips are in a folder or in a ZIP, not in both."""
        data = super().clean() or {}
        if not self.errors and bool(data["clips"]) == bool(data["sounds"]):
            raise forms.ValidationError(
                "Give the clips as a ZIP, or name their folder: one of them."
            )
        return data

    def clean_clips(self) -> str:
        """Only a folder that exists and that this user may name."""
        if not self.cleaned_data["clips"]:
            return ""
        try:
            return str(policy.folder_of_clips(self.cleaned_data["clips"], self.user))
        except RunError as error:
            raise forms.ValidationError(f"{error}.") from error


class ImportForm(forms.Form):
    """A run made elsewhere: its folder on this machine, its name here, and its project."""

    name = forms.CharField(max_length=100)
    directory = forms.CharField(max_length=500)
    project = forms.ModelChoiceField(
        queryset=Project.objects.none(), required=False, empty_label=NOBODYS
    )

    def __init__(self, *args: Any, projects: QuerySet[Project], **kwargs: Any) -> None:
        kwargs["auto_id"] = "import-%s"
        super().__init__(*args, **kwargs)
        self.fields["project"].queryset = projects  # type: ignore[attr-defined] # a model choice


def checked_configs(text: str, *, trusted: bool) -> Configs:
    """Return the plain dict of every run's config, by its subject's name; unless `trusted`, they
    may only name what is offered here.

    Raises `RunError`. Names that are not offered are refused before the disk is accessed.
    """
    return configs_from_toml(text=text, check=(lambda _: None) if trusted else policy.check)
