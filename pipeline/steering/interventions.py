"""What is done to the model for a feature: the SAE's own vector, its rivals and its controls.

Each entry of `INTERVENTIONS` says for a feature (or, for `mean-difference`, a pair of prompts) and
a dose α what is generated. At α = 0 each gives the same tokens as nothing does. Every vector of a
rival or a control is as long as the feature's own, α β, so that only its direction differs.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from random import Random
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from pipeline.registry import resolve
from pipeline.sae.checkpoint import StoredSae
from pipeline.steering.settings import SteeringConfig
from pipeline.steering.vectors import orthogonal, random_unit, vector_at, vector_of
from pipeline.store.tables import FeatureRecord
from pipeline.subjects.base import Intervention, SteeringVector, Target

# To add one: a function below, after `Builder`, and a line here; its name in
# pipeline.steering.settings.EVALUATED if every evaluation is to have it.
INTERVENTIONS: dict[str, str] = {
    "add": "pipeline.steering.interventions.add",
    "add-two": "pipeline.steering.interventions.add_two",
    "clamp": "pipeline.steering.interventions.clamp",
    "ablate": "pipeline.steering.interventions.ablate",
    "ablate-asked": "pipeline.steering.interventions.ablate_asked",
    "random-ablation": "pipeline.steering.interventions.random_ablation",
    "exemplar-difference": "pipeline.steering.interventions.exemplar_difference",
    "mean-difference": "pipeline.steering.interventions.mean_difference",
    "prompt": "pipeline.steering.interventions.prompt",
    "random-direction": "pipeline.steering.interventions.random_direction",
    "random-feature": "pipeline.steering.interventions.random_feature",
    "equal-rate-feature": "pipeline.steering.interventions.equal_rate_feature",
}
PAIR = "pair/"
"""Prefix of a pair of prompts where a feature could stand."""


@dataclass(frozen=True)
class Asked:
    """What is generated for a feature under an intervention at a dose."""

    prompt: str
    interventions: tuple[Intervention, ...] = ()
    norm: float | None = None
    """Length of the vector that is added, raw; None where none of fixed length is."""
    plain_prompt: str | None = None
    """The prompt of the clip without steering beside it; None for the config's."""

    def beside(self, config: SteeringConfig) -> str:
        """The prompt of the clip without steering that this one is compared with."""
        return config.prompt if self.plain_prompt is None else self.plain_prompt

    def hookpoint(self, stored: StoredSae) -> str:
        """Where the stream is changed; the SAE's own hookpoint if it is not."""
        changed = [one.vector.hookpoint for one in self.interventions]
        return changed[0] if changed else stored.facts.hookpoint


@dataclass(frozen=True)
class Material:
    """What interventions on one SAE are made from."""

    config: SteeringConfig
    stored: StoredSae
    features: dict[str, FeatureRecord]
    """The kept features with exemplars, by name."""
    betas: dict[str, float]
    """β of each feature, and of each pair of prompts."""
    labels: dict[str, str] = field(default_factory=dict)
    """The text of each feature that has one."""
    neighbours: dict[str, str] = field(default_factory=dict)
    """The nearest kept feature of each."""
    exemplar_means: Callable[[], dict[str, Tensor]] = dict
    """For each feature the mean stream over its exemplars less that over all validation tracks."""
    pairs: dict[str, Tensor] = field(default_factory=dict)
    """The unit direction of each pair of prompts, by `PAIR` and its name."""
    schedule: tuple[tuple[float, float], ...] | None = None
    """Points (seconds, weight) in place of the config's; None for those."""
    hookpoint: str | None = None
    """Where vectors are added; None for the SAE's own hookpoint."""

    @cached_property
    def differences(self) -> dict[str, Tensor]:
        """`exemplar_means`, computed when first needed."""
        return self.exemplar_means()

    @cached_property
    def reader(self) -> Callable[[Tensor], Tensor]:
        """All latents [frame, latent] of the stream [frame, d], on its device. Always the same
        object, by which a batch is encoded only once."""
        sae = deepcopy(self.stored.sae)

        def read(frames: Tensor) -> Tensor:
            return sae.to(frames.device).encode(frames).dense(sae.n_latents)

        return read

    def intervene(self, vector: SteeringVector, strength: float, **more: Any) -> Intervention:
        """An intervention in the halves, steps and schedule of the config."""
        at = self.config
        schedule = at.schedule if self.schedule is None else self.schedule
        return Intervention(
            vector, strength, halves=at.halves, when=at.when, schedule=schedule, **more
        )

    def vector(self, direction: Tensor) -> SteeringVector:
        """A direction [d] where vectors are added."""
        own = vector_at(self.stored, direction)
        return own if self.hookpoint is None else replace(own, hookpoint=self.hookpoint)

    def along(self, feature: str, alpha: float, direction: Tensor) -> Asked:
        """α β times a unit direction [d], in the config's prompt."""
        norm = alpha * self.betas[feature]
        one = self.intervene(self.vector(direction), norm)
        return Asked(self.config.prompt, (one,), norm)

    def drawing(self, *what: object) -> Random:
        """Random choices for `what`, the same at every call."""
        return Random("\0".join(map(str, (self.config.seed, self.stored.name, *what))))  # noqa: S311 - no secret


Builder = Callable[[Material, str, float], Asked | None]
"""What to generate for a feature at α; None where the intervention does not apply to it."""


def asked(material: Material, intervention: str, feature: str, alpha: float) -> Asked | None:
    """What `intervention` generates for a feature, or a pair, at α; None where it does not apply.

    Raises `PipelineError`, naming the known ones, if there is no such intervention.
    """
    build: Builder = resolve(INTERVENTIONS, intervention, "intervention")
    if feature.startswith(PAIR) != (intervention == "mean-difference"):
        return None
    return build(material, feature, alpha)


def add(material: Material, feature: str, alpha: float) -> Asked:
    """x + α β W_dec[j]: the paper's."""
    own = vector_of(material.stored, material.features[feature].index)
    return material.along(feature, alpha, own.direction)


def add_two(material: Material, feature: str, alpha: float) -> Asked | None:
    """The feature together with its nearest kept neighbour, each at its own β, their directions
    made orthogonal."""
    other = material.neighbours.get(feature)
    if other is None or other not in material.features:
        return None
    both = [one for name in (feature, other) for one in add(material, name, alpha).interventions]
    norm = sum(one.strength**2 for one in both) ** 0.5
    return Asked(material.config.prompt, orthogonal(both), norm)


def clamp(material: Material, feature: str, alpha: float) -> Asked:
    """x + α (β − z_j) W_dec[j]: at α = 1 the latent's part of the stream is β, whatever it was."""
    return _towards(material, feature, alpha, material.betas[feature])


def ablate(material: Material, feature: str, alpha: float) -> Asked:
    """x − α z_j W_dec[j]: at α = 1 the latent is taken out, and the SAE's error is kept."""
    return _towards(material, feature, alpha, 0.0)


def ablate_asked(material: Material, feature: str, alpha: float) -> Asked | None:
    """`ablate` in music that is asked for by the feature's label, where there is something to take
    out; beside it stands the music of the same prompt."""
    made = _towards(material, feature, alpha, 0.0)
    return _in_asked_music(material, feature, made.interventions)


def random_ablation(material: Material, feature: str, alpha: float) -> Asked | None:
    """x − α z_j u along a random direction u: in each step as much is taken out as by
    `ablate_asked`, of something else."""
    index = material.features[feature].index
    width = material.stored.sae.W_dec.shape[1]
    drawn = random_unit(width, material.config.seed, "random ablation", feature)
    target = Target(material.reader, index, 0.0)
    one = material.intervene(vector_at(material.stored, drawn), alpha, target=target)
    return _in_asked_music(material, feature, (one,))


def _in_asked_music(
    material: Material, feature: str, interventions: tuple[Intervention, ...]
) -> Asked | None:
    words = _asking(material, feature)
    return None if words is None else Asked(words, interventions, plain_prompt=words)


def _asking(material: Material, feature: str) -> str | None:
    """The config's prompt with the feature's label; None without a label."""
    text = material.labels.get(feature)
    if text is None:
        return None
    return ", ".join(word for word in (material.config.prompt, text) if word)


def _towards(material: Material, feature: str, alpha: float, value: float) -> Asked:
    index = material.features[feature].index
    target = Target(material.reader, index, value)
    one = material.intervene(vector_of(material.stored, index), alpha, target=target)
    return Asked(material.config.prompt, (one,))


def exemplar_difference(material: Material, feature: str, alpha: float) -> Asked:
    """α β along the mean of the exemplars' frames less that of all validation tracks: a difference
    in means, for which nothing is trained."""
    return material.along(feature, alpha, F.normalize(material.differences[feature], dim=0))


def mean_difference(material: Material, feature: str, alpha: float) -> Asked:
    """α times the difference in means of a pair of prompts; see `pipeline.steering.pairs`."""
    return material.along(feature, alpha, material.pairs[feature])


def prompt(material: Material, feature: str, alpha: float) -> Asked | None:
    """The label as a further part of the prompt, without a vector. Its only doses are 0 and 1."""
    words = _asking(material, feature)
    if words is None or alpha not in (0.0, 1.0):
        return None
    return Asked(words if alpha else material.config.prompt)


def random_direction(material: Material, feature: str, alpha: float) -> Asked:
    """α β along a direction drawn for this feature from the unit sphere."""
    width = material.stored.sae.W_dec.shape[1]
    drawn = random_unit(width, material.config.seed, "random direction", feature)
    return material.along(feature, alpha, drawn)


def random_feature(material: Material, feature: str, alpha: float) -> Asked | None:
    """α β along another kept feature, drawn at random."""
    others = [name for name in material.features if name != feature]
    if not others:
        return None
    return _of_another(material, feature, alpha, material.drawing(feature).choice(others))


def equal_rate_feature(material: Material, feature: str, alpha: float) -> Asked | None:
    """α β along the other kept feature whose rate is nearest; of equal ones, a drawn one."""
    own = material.features[feature].rate
    others = [one for name, one in material.features.items() if name != feature]
    if not others:
        return None
    distance = min(abs(one.rate - own) for one in others)
    nearest = [one.feature for one in others if abs(one.rate - own) == distance]
    return _of_another(material, feature, alpha, material.drawing(feature).choice(nearest))


def _of_another(material: Material, feature: str, alpha: float, other: str) -> Asked:
    index = material.features[other].index
    return material.along(feature, alpha, vector_of(material.stored, index).direction)


def random_pool(material: Material, draw: int, alpha: float, beta: float) -> Asked:
    """α β along the direction `draw` of those that all features are compared with."""
    width = material.stored.sae.W_dec.shape[1]
    direction = random_unit(width, material.config.seed, "random pool", material.stored.name, draw)
    one = material.intervene(material.vector(direction), alpha * beta)
    return Asked(material.config.prompt, (one,), alpha * beta)
