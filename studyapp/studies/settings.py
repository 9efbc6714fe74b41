"""Every setting of a study, in one table.

The design hash, `study.json`, the copies made for a preview and for the next version, the fields of
the wizard and the options of `create_study` all follow from it. To add a setting: its column in
`models/studies.py`, its line in `SETTINGS`, and if a step of the wizard asks for it, its name in a
`Group` of that step's form (`wizard/forms/`). A column without a line counts as a setting that is
hashed, exported and copied, so that nothing is lost if its line is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.db.models import Field

from studyapp.models import Study

Limits = tuple[int, int]


@dataclass(frozen=True)
class Setting:
    """One setting. Its type, choices and default are those of its column; this adds the rest."""

    name: str
    label: str = ""
    """Its name in the wizard, and in the help of `create_study`."""
    step: str = ""
    """The step of the wizard that asks for it; empty if none does, or only in parts."""
    option: str = ""
    """The option of `create_study`."""
    option_help: str = ""
    """The help of the option, if the label is not enough."""
    metavar: str = ""
    """The form of one value, for an option that may be given several times."""
    help: str = ""
    """The text below the field in the wizard."""
    limits: Limits | None = None
    """The smallest and the largest value."""
    fallback: Any = None
    """The default, if the column has none."""
    editable: bool = False
    """Whether a draft may change it after its items were drawn; a frozen study never may."""
    made: bool = False
    """Whether making the study determines it, so that nobody can give it."""
    copied: bool = True
    """Whether the next version starts with it."""
    added_later: bool = False
    """Whether the hash leaves the default out, because studies were frozen before it existed."""
    secret: bool = False
    """Whether an export withholds it until the study is closed."""
    bulky: bool = False
    """Whether a summary of the design leaves it out."""

    @property
    def column(self) -> Field[Any, Any]:
        """Its column."""
        return next(one for one in Study._meta.concrete_fields if one.name == self.name)

    @property
    def described(self) -> str:
        """What `--help` says about its option."""
        return self.option_help or self.label[:1].lower() + self.label[1:]

    @property
    def default(self) -> Any:
        """A new value at each call, so that lists and mappings are never shared."""
        value = self.column.get_default() if self.fallback is None else self.fallback
        return value.value if isinstance(value, Enum) else value

    def value_of(self, study: Study) -> Any:
        """The study's value, as a type that JSON has."""
        value = getattr(study, self.column.attname)
        return value if isinstance(value, JSON) else str(value)


JSON = (str, int, float, bool, list, dict, type(None))
SETTINGS = (
    # The order is that of `study.json`.
    Setting("slug", "Short name", "texts", "--slug", "short name, part of the link",
            help="Part of the link that participants follow."),
    Setting("version", made=True),
    Setting("title", "Title", "texts", "--title", "title, shown to participants",
            help="Shown to participants.", fallback="What do these sounds share?", editable=True),
    Setting("seed", "Random seed", "features", "--seed", fallback=0,
            help="The same seed and run always give the same study."),
    Setting("option_policy", "What a trial asks", "trials", "--policy",
            "what a trial shows: five labels, chosen in one of two ways, or a pair of sounds"),
    Setting("features_wanted", "Features", "features", "--features",
            "how many features are drawn", limits=(1, 10_000)),
    Setting("ratings_per_item", "Ratings per item", "size", "--ratings",
            help="1 in the paper. With 3 or more, agreement and the variance between features can "
            "be estimated.", limits=(1, 1_000), editable=True),
    Setting("trials_per_participation", "Trials per participant", "size", "--trials",
            "trials per participation",
            help="Each trial uses a different feature. Catch trials and repeats are extra.",
            limits=(1, 200), editable=True),
    Setting("lease_minutes", "Minutes before an idle place is released", "size",
            limits=(5, 10_000), editable=True),
    Setting("loudness_lufs", "Loudness of every sound, LUFS", "trials", "--loudness",
            help="−23 is the broadcast standard (EBU R 128). A limiter keeps peaks under −1 dBFS.",
            limits=(-40, -10)),
    Setting("consent_text", "Information and consent", "texts", editable=True),
    Setting("instructions_text", "Instructions", "texts", editable=True),
    Setting("contact", "Contact", "texts", "--contact", "shown at the bottom of every page",
            help="Shown at the bottom of every page.", editable=True),
    Setting("ethics_approval", "Ethics approval", "texts", editable=True),
    Setting("exclusion_rules", editable=True),
    Setting("analysis_plan", editable=True),
    Setting("left_out", made=True),
    Setting("steps", "Optional steps", "checks", "--steps"),
    Setting("headphone_check", "Headphone check", "checks", "--headphones"),
    Setting("headphones_required", "Screen out participants who fail", "checks",
            "--headphones-required", "screen out participants who fail the headphone check",
            editable=True),
    Setting("practice_trials", "Practice trials", "checks", "--practice"),
    Setting("check_sounds", made=True, bulky=True),
    Setting("languages", option="--languages",
            option_help="comma-separated; your own texts are in the first", editable=True),
    Setting("texts", editable=True),
    Setting("debrief_text", "Debriefing at the end", "texts", editable=True),
    Setting("questions", option="--gold-msi", metavar="LANGUAGE=FILE",
            option_help="ask about musical training with the Goldsmiths index; the file has your "
            "wording, one paragraph per item, its seven answers below it, one per line",
            editable=True),
    Setting("design", "Conditions per participant", "trials", "--design",
            "conditions per participant: one, or all of them", editable=True),
    Setting("catch_trials", "Catch trials", "checks", "--catch",
            help="An obvious sound with one correct answer."),
    Setting("repeat_trials", "Repeats", "checks", "--repeats", "trials that are shown again",
            help="Trials that are shown a second time.", limits=(0, 100), editable=True),
    Setting("quality_rules", option="--quality", metavar="RULE=NUMBER", editable=True),
    Setting("codes", option="--code", metavar="ENDING=CODE", editable=True, secret=True),
    Setting("saes", "SAEs", "sources", "--saes", "comma-separated; every SAE if not given",
            added_later=True),
    Setting("strata", "Stratified by", "features", "--strata", added_later=True),
    Setting("selection", "Which features", "features", "--select",
            "how features are chosen: at random, the best by a score, or those of a list",
            added_later=True),
    Setting("best_by", "Best by", option="--best-by",
            option_help="SCORER, the best score of any method without controls, or SCORER:METHOD",
            added_later=True),
    Setting("listed", bulky=True, added_later=True),
    Setting("list_name", added_later=True),
    Setting("show_waveform", "Draw the outline of each sound in its player", "trials",
            "--show-waveform", "draw the outline of each sound in its player",
            help="The outline shows loudness: a name such as “growing louder” can then be chosen "
            "by eye.", added_later=True),
    Setting("hear_before_choosing", "Seconds of each sound to hear before a label can be chosen",
            "trials", "--hear-before-choosing",
            help="0: a label can be chosen at any time. An answer is saved only once all "
            "sounds were heard to the end, whatever is set here.", limits=(0, 600),
            editable=True, added_later=True),
    Setting("most_plays", "Most plays of each sound", "trials", "--most-plays",
            help="0: as often as people like. With a limit, no position can be chosen. A sound "
            "that was not yet heard to the end can always be played.", limits=(0, 100),
            editable=True, added_later=True),
    Setting("from_start", "Every play begins at the start of the sound", "trials", "--from-start",
            help="No position can be chosen, and a pause goes back to the start.",
            editable=True, added_later=True),
    Setting("own_questions", option="--questions", metavar="LANGUAGE=FILE",
            option_help="own questions after the trials; the file has one paragraph per question: "
            "NAME (KIND): TEXT, its answers below it, one per line",
            editable=True, added_later=True),
    Setting("contrasts", option="--contrasts",
            option_help="for pairs: what is set against what, comma-separated, such as "
            "add@1/plain,add@1/random-direction@1; default: all that the steered clips allow",
            added_later=True),
    Setting("may_choose_none", "One more answer: none of these fits, or no difference", "trials",
            "--may-choose-none", "offer one more answer: none of these fits, or no difference",
            added_later=True),
    Setting("institution", "Institution", "texts", "--institution",
            "who runs the study, shown on the consent page",
            help="Who runs the study. Shown on the consent page.", editable=True,
            added_later=True),
    Setting("compensation", "Compensation", "texts", "--compensation",
            "what participants get, shown on the consent page; default: the payment",
            help="Such as course credit. If empty, the consent page shows the payment.",
            editable=True, added_later=True),
    Setting("retention", "How data are kept and deleted", "texts", "--retention",
            "how long data are kept, shown on the consent page",
            help="Such as: kept for ten years on the university’s servers, then deleted. Shown on "
            "the consent page.", editable=True, added_later=True),
    Setting("watch_machines", "Look for programs among the listeners", "checks",
            "--watch-machines",
            "report how pages are used and ask two questions that only listening answers, so that "
            "programs among the listeners can be flagged",
            help="Pages report, without any content, whether text is pasted, how evenly it is "
            "typed, how much the pointer moves, and whether the page has the focus; two questions "
            "are asked that only listening answers. The consent page says so. Nobody is excluded.",
            added_later=True),
    # Not copied: after a rehearsal comes the real study, and no step asks about it.
    Setting("rehearsal", option="--rehearsal", copied=False, added_later=True,
            option_help="not real data: simulated listeners may take part beside people, all "
            "of whom are counted"),
)  # fmt: skip
NO_SETTING = frozenset(
    {
        "id", "series", "state", "design_hash", "project", "unblinded_at", "preview_of",
        "created_by", "created_at", "frozen_at", "opened_at", "closed_at", "added_places",
    }
)  # fmt: skip
"""The other columns: the study's owner and its state."""


def every_setting() -> Iterator[Setting]:
    """The table, then each column that is neither in it nor in `NO_SETTING`."""
    yield from SETTINGS
    listed = {one.name for one in SETTINGS} | NO_SETTING
    for column in Study._meta.concrete_fields:
        if column.name not in listed:
            yield Setting(column.name, added_later=True)


def setting(name: str) -> Setting:
    """The setting of that name."""
    return next(one for one in every_setting() if one.name == name)


def editable() -> frozenset[str]:
    """What a draft may still change; its items depend on the rest."""
    return frozenset(one.name for one in every_setting() if one.editable)


def carried_over() -> list[Setting]:
    """What the next version starts with."""
    return [one for one in every_setting() if one.copied and not one.made]
