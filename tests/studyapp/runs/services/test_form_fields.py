"""The run form's fields: from the config's dataclasses, into the text and back."""

from __future__ import annotations

import tomllib
from dataclasses import fields as fields_of
from typing import Any, get_type_hints

import pytest
from django.http import QueryDict

from pipeline.config import RunConfig
from pipeline.corpus.adapters import ADAPTERS
from pipeline.labelers import LABELERS
from pipeline.scorers import SCORERS
from studyapp.core.errors import RunError
from studyapp.runs.services import form_fields
from studyapp.runs.services.configs import config_from_toml

TEXT = """
# a remark
[subject]
model = "nano"
hookpoints = ["decoder.layers.0.resid_post"]

[gemini]
budget_dollars = 3.5
batch = true

[labels]
methods = ["descriptors", "gemini@gemini-2.5-pro"]
"""


def every() -> dict[str, form_fields.Field]:
    return {one.key: one for _, own in form_fields.sections() for one in own}


def test_every_field_is_one_of_the_configs_with_its_default_and_help() -> None:
    sections = get_type_hints(RunConfig)
    for key, field in every().items():
        if field.name == form_fields.FURTHER:
            continue  # a section of its own
        own = {one.name: one for one in fields_of(sections[field.section])}
        default = own[field.name].default
        shown = ", ".join(map(str, default)) if isinstance(default, tuple) else str(default or "")
        assert field.default == ("0" if default == 0 else shown), key
    assert every()["sae.ks"].help == "Active latents per frame (k)."
    assert every()["sae.ks"].kind == "list"
    assert every()["corpus.clip_seconds"].kind == "number"


def test_choices_are_the_registries() -> None:
    assert every()["labels.methods"].choices == tuple(LABELERS)
    assert every()["scores.scorers"].choices == tuple(SCORERS)
    assert every()["corpus.adapter"].choices == tuple(ADAPTERS)


def test_fields_read_a_text() -> None:
    values = form_fields.values_of(form_fields.read(TEXT))
    assert values["subject.hookpoints"] == "decoder.layers.0.resid_post"
    assert values["labels.methods"] == ["descriptors", "gemini@gemini-2.5-pro"]
    assert values["scores.scorers"] == ["reading"]
    assert values["sae.ks"] == ""


def test_fields_write_into_a_text_and_leave_what_they_do_not_show() -> None:
    data = QueryDict(mutable=True)
    data.update({"sae.ks": "4, 8", "subject.model": 'a "b"\\c', "corpus.clip_seconds": "2.5"})
    data.setlist("labels.methods", ["", "corpus-tags"])
    data["scores.scorers"] = ""
    text = form_fields.written(TEXT, data)
    assert tomllib.loads(text) == {
        "subject": {"model": 'a "b"\\c', "hookpoints": ["decoder.layers.0.resid_post"]},
        "gemini": {"budget_dollars": 3.5, "batch": True},
        "labels": {"methods": ["corpus-tags", "gemini@gemini-2.5-pro"]},
        "sae": {"ks": [4, 8]},
        "corpus": {"clip_seconds": 2.5},
        "scores": {"scorers": []},
    }


def test_what_is_empty_or_the_default_is_not_written() -> None:
    given = {one.key: one.default for one in every().values() if one.kind != "many"}
    assert form_fields.written("", given) == ""
    assert (
        form_fields.written("[sae]\nks = [4]\nsteps = 9\n", {"sae.ks": ""}) == "[sae]\nsteps = 9\n"
    )


def test_a_form_and_its_text_make_the_same_config() -> None:
    values = form_fields.values_of(form_fields.read(TEXT))
    data = QueryDict(mutable=True)
    for key, value in values.items():
        data.setlist(key, value if isinstance(value, list) else [value])
    again = form_fields.written(TEXT, data)
    assert config_from_toml(text=again) == config_from_toml(text=TEXT)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        '[subject]\nmodel = "nano"\nhookpoints = ["paper-small"]\n[features]\npreset = "paper"\n',
        '[subject]\nmodel = "nano"\nhookpoints = ["decoder.layers.0.resid_pre"]\n'
        '[features]\nthreshold = 2.5\n[essentia]\nper_head = 7\n[machine]\ndevice = "cuda"\n',
    ],
)
def test_a_runs_config_is_restored_as_a_short_text(text: str) -> None:
    config = config_from_toml(text=text)
    short = form_fields.text_of(config)
    assert config_from_toml(text=short) == config
    # Only the preset is always written.
    assert _keys(short) - _keys(text) <= {"features.preset"}


def _keys(text: str) -> set[str]:
    return {f"{name}.{key}" for name, own in tomllib.loads(text).items() for key in own}


@pytest.mark.parametrize(
    ("data", "line", "at"),
    [
        ({"sae.ks": "16, many"}, "[sae] ks must be a whole number, not 'many'", "field-sae-ks"),
        ({"sae.steps": "0"}, "[sae] steps is 0", "field-sae-steps"),
        ({"features.preset": "huge"}, "[features] preset is 'huge'", "field-features-preset"),
        ({"corpus.clip_seconds": "-1"}, "[corpus] clip_seconds", "field-corpus-clip_seconds"),
        ({"subject.hookpoints": "x"}, "hookpoint 'x'", ""),
    ],
)
def test_the_pipeline_refuses_by_itself(data: dict[str, Any], line: str, at: str) -> None:
    text = form_fields.written(TEXT, data)
    with pytest.raises(RunError) as refused:
        config_from_toml(text=text)
    assert str(refused.value).startswith(line)
    assert form_fields.at_fault(str(refused.value)) == at


def test_a_text_that_is_not_toml_is_left_unchanged() -> None:
    with pytest.raises(RunError, match="not TOML"):
        form_fields.written("[sae", {"sae.ks": "4"})


def test_further_subjects_are_a_sweep_and_keep_what_the_text_says_of_them() -> None:
    text = form_fields.written(TEXT, {"sweep.further_subjects": "random, a/musicgen-large"})
    assert tomllib.loads(text)["sweep"] == {
        "subjects": [
            {"name": "nano"},
            {"name": "random", "control": "random"},
            {"name": "musicgen-large", "model": "a/musicgen-large"},
        ]
    }
    key = "sweep.further_subjects"
    assert form_fields.values_of(tomllib.loads(text))[key] == "random, musicgen-large"
    own = text.replace('control = "random"', 'control = "random", control_seed = 3')
    fewer = tomllib.loads(form_fields.written(own, {key: "random"}))
    assert fewer["sweep"]["subjects"] == [
        {"name": "nano"}, {"name": "random", "control": "random", "control_seed": 3},
    ]  # fmt: skip
    assert "sweep" not in tomllib.loads(form_fields.written(own, {key: ""}))
    broken = TEXT + "[sweep]\nks = [1]\n"
    assert tomllib.loads(form_fields.written(broken, {key: ""}))["sweep"] == {"ks": [1]}
    line = "[[sweep.subjects]] name is ''; each needs a name of its own"
    assert form_fields.at_fault(line) == "field-sweep-further_subjects"
