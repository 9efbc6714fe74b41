"""Config fields that only an administrator may set freely, and values that are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig, config_from_dict, load_config
from pipeline.config.guard import Guard, guarded_fields
from pipeline.errors import PipelineError

SUBJECT: dict[str, Any] = {"model": "nano", "hookpoints": ["decoder.layers.0.resid_post"]}


def test_every_place_address_and_price_of_a_config_is_guarded() -> None:
    found = {f"{one.section}.{one.name}": one.guard for one in guarded_fields(RunConfig)}
    assert found == {
        "subject.model": Guard.MODEL,
        "corpus.path": Guard.CORPUS,
        "clap.model": Guard.MODEL,
        "sae.checkpoint": Guard.MODEL,
        "essentia.models": Guard.MODEL,
        "gemini.model": Guard.REMOTE_MODEL,
        "gemini.prompt": Guard.FILE,
        "gemini.base_url": Guard.ADDRESS,
        "gemini.budget_dollars": Guard.MONEY,
        "gemini.dollars_per_million_audio": Guard.MONEY,
        "gemini.dollars_per_million_text": Guard.MONEY,
        "gemini.dollars_per_million_output": Guard.MONEY,
        "gemini.ledger": Guard.FILE,
        "audio_chat.model": Guard.REMOTE_MODEL,
        "audio_chat.prompt": Guard.FILE,
        "audio_chat.base_url": Guard.ADDRESS,
        "audio_chat.budget_dollars": Guard.MONEY,
        "audio_chat.prices": Guard.MONEY,
        "audio_chat.ledger": Guard.FILE,
        "captioner.prompt": Guard.FILE,
        "captioner.models": Guard.MODEL,
        "free_text.responses": Guard.FILE,
        "ensemble.responses": Guard.FILE,
    }


@dataclass(frozen=True)
class Section:
    """A section as somebody may add it later, without a thought for guards."""

    words: Path | None = None
    several: tuple[Path, ...] = ()
    by_name: dict[str, Path] = field(default_factory=dict)
    count: int = 3


@dataclass(frozen=True)
class Config:
    """A config with that section."""

    section: Section = field(default_factory=Section)


def test_a_new_field_that_holds_a_path_is_guarded_without_a_word() -> None:
    found = [(one.name, one.guard) for one in guarded_fields(Config)]
    assert found == [("words", "file"), ("several", "file"), ("by_name", "file")]


@pytest.mark.parametrize(
    ("section", "values", "line"),
    [
        ("corpus", {"clip_seconds": float("inf")}, "clip_seconds is inf; it must be a finite"),
        ("sae", {"learning_rate": float("nan")}, "learning_rate is nan; it must be a finite"),
        ("sae", {"steps": 10**30}, "steps is out of range"),
        ("sae", {"learning_rate": 10**400}, "learning_rate is out of range"),
        ("sae", {"ks": [10**4000]}, "ks is out of range"),
        ("corpus", {"path": "a\0b"}, r"path is 'a\\x00b'; it must not contain"),
        ("labels", {"methods": ["a\0"]}, "must not contain the NUL character"),
        ("corpus", {"path": "~nobody-at-all/x"}, "the config cannot be used: .*home"),
        (
            "subject",
            {**SUBJECT, "model": "/" + "x" * 5000},
            "the config cannot be used: .*too long",
        ),
        ("labels", {"methods": [1, 2]}, "methods must be a text in quotes, not 1"),
        ("labels", {"methods": "gemini"}, "methods must be a list"),
        ("labels", 3, "must be a section"),
        ("essentia", {"heads": ["../../secret"]}, "must be a file name without its folder"),
    ],
)
def test_odd_values_get_one_line(section: str, values: Any, line: str) -> None:
    with pytest.raises(PipelineError, match=line) as refused:
        config_from_dict({"subject": SUBJECT, section: values})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000 + "]" * 5000, "a = " + "9" * 5000, "a." * 3000 + "b = 1"]
)
def test_odd_toml_gets_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(PipelineError) as refused:
        load_config(path)
    assert "\n" not in str(refused.value)
