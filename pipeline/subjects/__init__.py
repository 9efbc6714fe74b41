"""Subject models: the frozen generators whose activations are read; see `subjects.base`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.registry import resolve

if TYPE_CHECKING:
    from pipeline.config import SubjectConfig

# To add a backend: its file here with a class after pipeline.subjects.base.Subject, a line below.
SUBJECTS: dict[str, str] = {
    "transformers": "pipeline.subjects.transformers_backend.TransformersSubject",
    "audiocraft": "pipeline.subjects.audiocraft_backend.AudiocraftSubject",
}

# To add one: its class after pipeline.subjects.base.ActivationSource, a line below, its name in
# pipeline.config.sections.CONTROLS.
STANDINS: dict[str, str] = {
    "phase-randomised-corpus": "pipeline.subjects.controls.PhaseRandomised",
    "codec-latents": "pipeline.subjects.controls.CodecLatents",
    "mel-spectrogram": "pipeline.subjects.controls.MelSpectrogram",
}
"""Values of `[subject] control` for which something else is read in the subject's place."""


def load_subject(config: SubjectConfig, *, device: str) -> Any:
    """The subject that a config names, or its control: a `Subject` or an `ActivationSource`."""
    backend = resolve(SUBJECTS, config.backend, "subject backend")
    subject = backend(_without_standin(config), device=device)
    if config.control not in STANDINS:
        return subject
    return resolve(STANDINS, config.control, "control")(subject)


def fingerprint_of(config: SubjectConfig) -> str:
    """`facts.fingerprint` of what `load_subject` returns, without loading it."""
    from pipeline.subjects.base import standin_fingerprint

    backend = resolve(SUBJECTS, config.backend, "subject backend")
    fingerprint: str = backend.fingerprint_of(_without_standin(config))
    if config.control not in STANDINS:
        return fingerprint
    return standin_fingerprint(fingerprint, config.control)


def _without_standin(config: SubjectConfig) -> SubjectConfig:
    """The config of the subject that a stand-in is made from."""
    return replace(config, control="none") if config.control in STANDINS else config
