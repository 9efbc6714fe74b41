"""The frozen configuration of a run: one dataclass per section of the TOML file.

`sections` and `methods` define the sections, each validated when it is made; `run_config` puts them
together; `load` reads them from a file or a dict, `sweep` several from one file; `guard` marks the
fields that determine what a run may read, connect to and spend. `pipeline.identity` derives a run's
key from the config.
"""

from __future__ import annotations

from pipeline.config.load import config_from_dict, load_config
from pipeline.config.methods import (
    ClapConfig,
    EnsembleConfig,
    EssentiaConfig,
    FreeTextConfig,
)
from pipeline.config.remote import (
    AskedConfig,
    AudioChatConfig,
    CaptionerConfig,
    GeminiConfig,
    Prices,
    RemoteConfig,
)
from pipeline.config.run_config import PAID_METHODS, RunConfig
from pipeline.config.sections import (
    CorpusConfig,
    ExemplarsConfig,
    FeaturesConfig,
    LabelsConfig,
    MachineConfig,
    SaeConfig,
    ScoresConfig,
    SubjectConfig,
)
from pipeline.config.sweep import expanded, load_sweep

__all__ = [
    "PAID_METHODS",
    "AskedConfig", "AudioChatConfig", "CaptionerConfig", "ClapConfig", "CorpusConfig",
    "EnsembleConfig", "EssentiaConfig",
    "ExemplarsConfig", "FeaturesConfig", "FreeTextConfig", "GeminiConfig", "LabelsConfig",
    "MachineConfig", "Prices", "RemoteConfig", "RunConfig", "SaeConfig", "ScoresConfig",
    "SubjectConfig",
    "config_from_dict", "expanded", "load_config", "load_sweep",
]  # fmt: skip
