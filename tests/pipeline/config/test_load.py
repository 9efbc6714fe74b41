"""What a config accepts, refuses and leaves out of a run's key."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import config_from_dict, load_config
from pipeline.config.sections import FeaturesConfig, parse_hookpoint
from pipeline.errors import PipelineError
from pipeline.identity import identity, key_of

SUBJECT = {"model": "org/name", "hookpoints": ["decoder.layers.2.resid_post"]}


def key(config: Any) -> str:
    return key_of(identity(config, corpus_fingerprint="c", subject_fingerprint="s"))


def test_a_config_read_back_from_its_dict_is_the_same() -> None:
    config = config_from_dict({"subject": SUBJECT, "corpus": {"path": "here"}})
    assert config_from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_relative_paths_count_from_the_toml_files_folder(tmp_path: Path) -> None:
    (tmp_path / "nano").mkdir()
    path = tmp_path / "run.toml"
    path.write_text(
        '[corpus]\npath = "music"\n[subject]\nmodel = "nano"\n'
        'hookpoints = ["decoder.layers.0.resid_post"]\n'
    )
    config = load_config(path)
    assert config.corpus.path == tmp_path / "music"
    assert config.subject.model == str(tmp_path / "nano")


def test_a_model_that_is_no_folder_is_left_a_hub_name(tmp_path: Path) -> None:
    assert config_from_dict({"subject": SUBJECT}, base=tmp_path).subject.model == "org/name"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"subject": SUBJECT, "sea": {}}, "unknown section 'sea'; known: subject, corpus, sae"),
        ({"subject": SUBJECT, "sae": {"step": 3}}, "[sae] unknown key 'step'; known: expansions"),
        (
            {"subject": SUBJECT, "sae": {"steps": "3"}},
            "[sae] steps must be a whole number, not '3'",
        ),
        (
            {"subject": SUBJECT, "sae": {"steps": True}},
            "[sae] steps must be a whole number, not True",
        ),
        ({"subject": SUBJECT, "sae": {"ks": 16}}, "[sae] ks must be a list, not 16"),
        (
            {"subject": SUBJECT, "sae": {"kernel": "sparse"}},
            "[sae] kernel is 'sparse'; known: exact, bf16, int8, dense",
        ),
        (
            {"subject": SUBJECT, "sae": {"prefixes": [0.5, 0.25]}},
            "[sae] prefixes is [0.5, 0.25]; it must list shares between 0 and 1, ascending",
        ),
        (
            {"subject": SUBJECT, "sae": {"learning_rate": 0}},
            "[sae] learning_rate is 0.0; it must be greater than 0",
        ),
        ({"subject": SUBJECT, "sae": 3}, "[sae] must be a section"),
        ({"subject": SUBJECT, "sae": {"steps": 0}}, "[sae] steps is 0; it must be greater than 0"),
        ({"subject": SUBJECT, "sae": {"ks": [4, 4]}}, "[sae] ks is [4, 4]"),
        ({"subject": {"model": "a/b"}}, "[subject] lacks hookpoints"),
        ({}, "section [subject] is missing"),
        ({"subject": {**SUBJECT, "hookpoints": ["layers.2"]}}, "is not of the form decoder.layers"),
        ({"subject": {**SUBJECT, "precision": "int8"}}, "known: float32, bfloat16, float16"),
        ({"subject": SUBJECT, "corpus": {"train_share": 0.8}}, "leave -0.05 for the test split"),
        ({"subject": SUBJECT, "features": {"preset": "big"}}, "known: paper, small"),
        ({"subject": SUBJECT, "features": {"min_rate": 0.5}}, "min_rate is 0.5 and max_rate 0.25"),
    ],
)
def test_a_wrong_config_is_refused_naming_what_is_wrong(
    mapping: dict[str, Any], message: str
) -> None:
    with pytest.raises(PipelineError) as caught:
        config_from_dict(mapping)
    assert message in str(caught.value)


def test_a_file_that_is_not_toml_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[subject")
    with pytest.raises(PipelineError, match=r"run\.toml is not TOML"):
        load_config(path)
    with pytest.raises(PipelineError, match="cannot be read"):
        load_config(tmp_path / "absent.toml")


def test_a_run_made_before_the_saes_newer_settings_keeps_its_key() -> None:
    before = {"expansions": [4], "learning_rate": 1e-3}
    sae = identity(
        config_from_dict({"subject": SUBJECT, "sae": before}),
        corpus_fingerprint="c", subject_fingerprint="s",
    )["sae"]  # fmt: skip
    assert list(sae) == [
        "expansions", "ks", "steps", "batch_frames", "learning_rate", "warmup_share", "decay_share",
        "centre", "aux_k", "aux_weight", "dead_after_frames", "seed",
    ]  # fmt: skip
    keys = {
        key(config_from_dict({"subject": SUBJECT, "sae": before | changed}))
        for changed in (
            {}, {"kernel": "bf16"}, {"variant": "batch-topk"}, {"prefixes": [0.5]},
            {"clip_norm": 1.0}, {"together": True}, {"scaled_start": True},
        )
    }  # fmt: skip
    assert len(keys) == 7


def test_the_key_ignores_machine_and_paths_and_nothing_else() -> None:
    config = config_from_dict({"subject": SUBJECT, "corpus": {"path": "/a"}})
    elsewhere = config.with_corpus(Path("/b"))
    faster = replace(config, machine=replace(config.machine, workers=8))
    other = replace(config, sae=replace(config.sae, steps=7))
    assert key(elsewhere) == key(config) == key(faster)
    assert key(other) != key(config)


def test_a_preset_fills_only_what_is_not_given() -> None:
    paper = FeaturesConfig(preset="paper")
    assert (paper.threshold, paper.min_rate, paper.max_rate) == (0.0, 0.01, 0.25)
    assert FeaturesConfig(preset="paper", threshold=1.5).threshold == 1.5


@given(st.integers(0, 99), st.sampled_from(["resid_pre", "resid_post"]))
def test_a_hookpoints_name_says_block_and_site(block: int, site: str) -> None:
    assert parse_hookpoint(f"decoder.layers.{block}.{site}") == (block, site)
