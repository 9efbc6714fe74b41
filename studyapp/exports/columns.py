"""The columns of the exported files, defined once: name, type, unit, levels, meaning, source.

Those of `participants.csv` are in `participants`, of `problems.csv` in `reports`. CSV, Parquet,
JSON and the codebook are all made from these definitions. Values are exact: a text is
exported as it was typed. The spreadsheet-safe variant is a separate file.
"""

from collections.abc import Callable, Sequence
from typing import Any

from studyapp.exports import flags
from studyapp.exports.cells import pseudonym
from studyapp.exports.files import Column, File
from studyapp.exports.selectors import ResponseRow, StimulusRow, TrialRow
from studyapp.models import Event, LabelCandidate, Participation, Response, Trial
from studyapp.models.participation import CONFIDENCE
from studyapp.models.trial_kinds import TRIAL_KINDS
from studyapp.studies.services.drawing import OPTIONS

CONFIDENCE_LEVELS = tuple(f"{value} {wording}" for value, wording in CONFIDENCE)
STATUS_LEVELS = tuple(s for s in Participation.Status.values if s != "withdrawn")
ROLES = ("exemplar", "synthesised", "plain", "steered", "random", "prompt", "intruder")
POSITIONS = tuple(map(str, range(1, OPTIONS + 1)))


def _clip(n: int) -> Column[TrialRow]:
    return Column(f"clip_{n}", "text", f"SHA-256 of the audio file that was played as clip {n}.",
                  lambda r: r.sounds[n - 1].clip if n <= len(r.sounds) else None)  # fmt: skip


def _shown(name: str, key: str, type_: str, meaning: str) -> list[Column[TrialRow]]:
    """Return one column per position, with the value of `key` of the option shown there."""
    return [Column(f"{name}_{n}", type_, meaning.format(n=n), _option(key, n)) for n in range(1, 6)]


def _of_heard(row: ResponseRow, total: str, n: int) -> int | None:
    """A total of clip n; None if the trial had no such clip."""
    return getattr(row.listening, total)[n] if n <= len(row.sounds) else None


def _plays(n: int) -> Column[ResponseRow]:
    return Column(f"plays_{n}", "integer", f"How often clip {n} was started.",
                  lambda r: _of_heard(r, "plays", n))  # fmt: skip


def _heard(n: int) -> Column[ResponseRow]:
    return Column(f"heard_ms_{n}", "integer",
                  f"Sound of clip {n} that was played, repetitions included.",
                  lambda r: _of_heard(r, "heard_ms", n), unit="ms")  # fmt: skip


def _option(key: str, number: int) -> Callable[[TrialRow], Any]:
    return lambda row: row.options[number - 1][key] if row.options else None


def _chosen(row: ResponseRow, key: str) -> Any:
    choice = row.response.choice
    return row.options[choice - 1][key] if row.options and choice is not None else None


def _target(row: TrialRow) -> int | None:
    target = row.item.target
    return None if target is None else row.trial.option_order.index(target) + 1


def _method(row: TrialRow) -> str | None:
    """Return the item's method; for items without one (practice, catch) the participation's."""
    condition = row.participation.condition
    return row.item.method or (condition.method if condition else None)


def _flags(row: ResponseRow) -> str:
    return "|".join(flags.answer_flags(row) + flags.submission_flags(row.participation))


IDENTITY: list[Column[TrialRow]] = [
    Column("study", "text", "Short name of the study.", lambda r: r.study.slug),
    Column("study_version", "integer", "Version of the frozen protocol.",
           lambda r: r.study.version),
    Column("participation", "text", "Pseudonym of one passage of one participant.",
           lambda r: pseudonym(r.participation.identifier)),
    Column("method", "text",
           "Labeling method of the item; in practice and catch trials that of the participation's "
           "condition, empty where a participation has every condition.", _method),
    Column("run", "text", "Identifier of the pipeline run.", lambda r: r.item.run),
    Column("sae", "text", "Name of the sparse autoencoder.", lambda r: r.item.sae),
    Column("hookpoint", "text", "Where in the subject model the autoencoder reads.",
           lambda r: r.item.hookpoint),
    Column("feature", "text",
           "The feature, SAE/INDEX; unique within a run. Empty in practice and catch trials.",
           lambda r: r.item.feature),
    Column("item", "text", "The feature under the condition; unique within the study.",
           lambda r: r.item.item),
    Column("trial", "integer", "Counts from 1 in the order shown.", lambda r: r.trial.number),
    Column("kind", "text", "Only main trials enter estimates.", lambda r: r.trial.kind,
           levels=tuple(Trial.Kind.values)),
    Column("repeat_of", "integer", "For a repeat: the trial that it repeats.",
           lambda r: r.repeat_of),
]  # fmt: skip

SHOWN: list[Column[TrialRow]] = [
    *[_clip(n) for n in (1, 2, 3)],
    *_shown("option", "text", "text", "Text of the option shown at position {n}."),
    *_shown("option_source", "source", "text",
            "Source of option {n}: the method, or feature:SAE/INDEX for another feature's label."),
    *_shown("option_rank", "rank", "integer",
            "The method's own rank of option {n}, 1 its best; empty for another feature's label."),
    Column("target_position", "integer",
           "Where the right answer stands: under identification, in practice and in catch trials.",
           _target, levels=POSITIONS),
]  # fmt: skip

ANSWER: list[Column[ResponseRow]] = [
    Column("chosen_position", "integer", "Position of the option that was chosen.",
           lambda r: r.response.choice, levels=POSITIONS),
    Column("chosen_label", "text", "Text of the option that was chosen.",
           lambda r: _chosen(r, "text")),
    Column("chosen_rank", "integer",
           "The method's own rank of the chosen label; empty for another feature's label.",
           lambda r: _chosen(r, "rank")),
    Column("confidence", "integer", "How confident the participant is that the name fits, or "
           "of the sound chosen.",
           lambda r: r.response.confidence, levels=CONFIDENCE_LEVELS),
    Column("free_text", "text", "A name of the participant's own; optional.",
           lambda r: r.response.free_text),
    Column("response_ms", "integer",
           "From the trial's first showing to its answer, by the server's clock.",
           lambda r: r.response.response_ms, unit="ms"),
    *[_plays(n) for n in (1, 2, 3)],
    *[_heard(n) for n in (1, 2, 3)],
    Column("hidden_ms", "integer", "How long the page was hidden while the trial was open.",
           lambda r: r.listening.hidden_ms, unit="ms"),
    Column("shown_at", "time", "When the trial was first shown, UTC.", lambda r: r.trial.shown_at),
    Column("answered_at", "time", "When the answer was stored, UTC.",
           lambda r: r.response.answered_at),
    Column("participation_status", "text", "How the participation stands.",
           lambda r: r.participation.status, levels=STATUS_LEVELS),
    Column("flags", "text", "What a reader should know of this answer, joined by |.",
           _flags, levels=(*flags.ANSWER_FLAGS, *flags.SUBMISSION_FLAGS)),
]  # fmt: skip


def _trial_type(row: TrialRow) -> str:
    return row.study.kind.trial_type


def _of_sound(name: str, n: int) -> Callable[[TrialRow], Any]:
    return lambda row: getattr(row.sounds[n - 1], name) if n <= len(row.sounds) else None


def _clip_role(n: int) -> Column[TrialRow]:
    return Column(f"clip_role_{n}", "text",
                  f"What clip {n} was: the feature's exemplar, or made by code (practice, catch). "
                  "Of a pair: generated without steering, with the feature steered, with a "
                  "control in its place, or from a prompt with the label. An intruder is an "
                  "exemplar of another feature.",
                  _of_sound("role", n), levels=ROLES)  # fmt: skip


def _strength(row: TrialRow) -> float | None:
    return max((one.strength for one in row.sounds if one.strength is not None), default=None)


def _answer(row: TrialRow) -> str | None:
    """Of a response or, in `trials.csv`, of a trial that may have none."""
    given = row.response if isinstance(row, ResponseRow) else getattr(row.trial, "response", None)
    return given.answer if given else None


def _all_sounds(name: str, type_: str, meaning: str, key: str) -> list[Column[TrialRow]]:
    return [Column(f"{name}_{n}", type_, meaning.format(n=n), _of_sound(key, n)) for n in (1, 2, 3)]


KIND: list[Column[TrialRow]] = [
    Column("simulated", "boolean", "Whether a simulated listener answered, not a person.",
           lambda r: r.participation.simulated, levels=("true", "false")),
    Column("trial_type", "text",
           "What was to be done: choose a label of the method's (label), find the feature's "
           "label among others' (identification), say which of two sounds has more of a label "
           "(pair), or which of five is of another feature (intruder).", _trial_type,
           levels=tuple(kind.trial_type for kind in TRIAL_KINDS.values())),
    Column("prompt", "text", "What was asked of the listener, where it varies; else empty. Of a "
           "pair: the label.", lambda r: r.item.prompt or None),
    *[_clip_role(n) for n in (1, 2, 3)],
    Column("strength", "number", "Strength of the steering of what was played; empty without any. "
           "Of a pair: the larger of the two.", _strength),
]  # fmt: skip
"""The kind of trial and of listener; last, so that the other columns keep their positions."""

STEERED: list[Column[TrialRow]] = [
    *_all_sounds("clip_strength", "number", "Of a pair: the dose α of clip {n}, 0 for one without "
                 "steering.", "strength"),
    *_all_sounds("clip_intervention", "text", "Of a pair: what was done to generate clip {n}, a "
                 "name of the pipeline's interventions; empty for one without steering.",
                 "intervention"),
    Column("steering_seed", "integer", "Of a pair: the seed that both clips were generated with.",
           lambda r: r.item.seed),
    Column("answer", "text",
           "Whether something was chosen, or that nothing fits, or that there is no difference; "
           "empty without an answer.", _answer, levels=tuple(Response.Answer.values)),
]  # fmt: skip
"""What later kinds of trial have; after all others, so that those keep their positions."""

FURTHER: list[Column[TrialRow]] = [
    *[_clip(n) for n in (4, 5)],
    *[_clip_role(n) for n in (4, 5)],
]
FURTHER_HEARD: list[Column[ResponseRow]] = [
    *[_plays(n) for n in (4, 5)],
    *[_heard(n) for n in (4, 5)],
]
"""Of trials with more than three sounds."""

ALIKE: list[Column[TrialRow]] = [
    Column(f"clip_clap_{n}", "number",
           f"Of an intruder trial: how alike clip {n} and the other four sound, the mean cosine of "
           "CLAP’s embeddings of the tracks that they are from; no label is involved. Empty where "
           "the run stored none.", _of_sound("clap", n))
    for n in range(1, 6)
]  # fmt: skip
"""Last, since studies made before have none."""

RESPONSES: File[ResponseRow] = File(
    "responses.csv",
    "one response",
    [*IDENTITY, *SHOWN, *ANSWER, *KIND, *STEERED, *FURTHER, *FURTHER_HEARD, *ALIKE],
)

TRIALS: File[TrialRow] = File("trials.csv", "one trial that was drawn, answered or not", [
    *IDENTITY, *SHOWN,
    Column("shown_at", "time", "When the trial was first shown, UTC; empty if never.",
           lambda r: r.trial.shown_at),
    Column("answered", "boolean", "Whether there is a response.",
           lambda r: hasattr(r.trial, "response"), levels=("true", "false")),
    *KIND, *STEERED, *FURTHER, *ALIKE,
])  # fmt: skip

EVENTS: File[Event] = File("events.csv", "one event on a participant's page", [
    Column("participation", "text", "Pseudonym, the same in every file.",
           lambda e: pseudonym(e.participation.identifier)),
    Column("trial", "integer", "The trial's number; empty outside trials.",
           lambda e: e.trial.number if e.trial else None),
    Column("type", "text", "What happened.", lambda e: e.type, levels=tuple(Event.Type.values)),
    Column("clip", "integer", "Which clip it concerns.", lambda e: e.clip,
           levels=POSITIONS),
    Column("at_ms", "integer", "Since the page was opened, by the page's clock.",
           lambda e: e.at_ms, unit="ms"),
    Column("value", "integer",
           "For heard: sound played since the last such event. For visible: time hidden. For "
           "paste: characters. For keys, pointer and presses: how many, without a unit.",
           lambda e: e.value, unit="ms"),
    Column("received_at", "time", "When the server stored it, UTC.", lambda e: e.received_at),
    Column("simulated", "boolean", "Whether a simulated listener's page sent it.",
           lambda e: e.participation.simulated, levels=("true", "false")),
])  # fmt: skip

STIMULI: File[StimulusRow] = File("stimuli.csv", "one stimulus of one feature", [
    Column("clip", "text", "SHA-256 of the audio file that is played.",
           lambda r: r.stimulus.sha256),
    Column("run", "text", "Identifier of the pipeline run.",
           lambda r: r.feature.run.identifier),
    Column("feature", "text", "The feature that it stands for.",
           lambda r: r.feature.identifier),
    Column("track", "text", "The corpus's track from which it was cut; empty if it was generated.",
           lambda r: r.exemplar.clip.track if r.exemplar else None),
    Column("exemplar_rank", "integer", "1 is the feature's strongest exemplar.",
           lambda r: r.exemplar.rank if r.exemplar else None),
    Column("seconds", "number", "Length.", lambda r: r.stimulus.seconds, unit="s"),
    Column("loudness", "number", "Integrated loudness of the stored audio, ITU-R BS.1770.",
           lambda r: r.stimulus.loudness_lufs, unit="LUFS"),
])  # fmt: skip


def labels_file(scorers: Sequence[str]) -> File[LabelCandidate]:
    """Return `labels.csv`, with one column per scorer."""

    def score(name: str) -> Callable[[LabelCandidate], Any]:
        return lambda label: label.scores.get(name)

    return File("labels.csv", "one label candidate of a drawn feature", [
        Column("run", "text", "Identifier of the pipeline run.",
               lambda c: c.feature.run.identifier),
        Column("sae", "text", "Name of the sparse autoencoder.", lambda c: c.feature.sae),
        Column("feature", "text", "The feature, SAE/INDEX.", lambda c: c.feature.identifier),
        Column("method", "text", "Labeling method.", lambda c: c.method),
        Column("rank", "integer", "1 is the method's best.", lambda c: c.rank),
        Column("text", "text", "The label; empty if the method failed.", lambda c: c.text),
        Column("confidence", "number", "The method's own confidence, 0 to 1.",
               lambda c: c.confidence),
        Column("status", "text", "Whether the method gave a label.", lambda c: c.status,
               levels=tuple(LabelCandidate.Status.values)),
        *[Column(f"score_{name}", "number", f"Grade by the scorer {name}; empty if it gave none.",
                 score(name)) for name in scorers],
    ])  # fmt: skip


def _of(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda row: row[name]


STEERING: File[dict[str, Any]] = File(
    "steering.csv",
    "a steered clip of a feature of a study of pairs, as CLAP hears it in the run's evaluation of "
    "steering; there is none where the run was not evaluated, or with other clips",
    [
        Column("feature", "text", "The feature, SAE/INDEX.", _of("feature")),
        Column("intervention", "text", "How the clip was steered, a name of the pipeline's "
               "interventions.", _of("intervention")),
        Column("alpha", "number", "Strength of the steering.", _of("alpha")),
        Column("seed", "integer", "The seed that it was generated with.", _of("seed")),
        Column("label", "text", "The label that the next two columns are about; empty without one.",
               _of("label")),
        Column("label_similarity", "number", "CLAP's cosine of the clip to the label.",
               _of("label_similarity")),
        Column("label_similarity_plain", "number", "The same of the clip without steering of that "
               "seed.", _of("label_similarity_plain")),
    ],
)  # fmt: skip
