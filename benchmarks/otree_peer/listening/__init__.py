"""Ten rounds of one page: three sounds, five labels, five levels of confidence, a free text."""

from otree.api import BaseConstants, BaseGroup, BasePlayer, BaseSubsession, Page, models, widgets

NAMES = ["warm strings", "bright brass", "slow drums", "rapid bells", "dry voices"]
STEPS = [
    [5, "Completely confident"], [4, "Fairly confident"], [3, "Somewhat confident"],
    [2, "Slightly confident"], [1, "Not confident at all"],
]  # fmt: skip


class C(BaseConstants):
    NAME_IN_URL = "listening"
    PLAYERS_PER_GROUP = None
    NUM_ROUNDS = 10


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    pass


class Player(BasePlayer):
    choice = models.IntegerField(
        choices=[[n, name] for n, name in enumerate(NAMES, start=1)],
        widget=widgets.RadioSelect,
        label="Which name is closest to what all three sounds share?",
    )
    confidence = models.IntegerField(
        choices=STEPS,
        widget=widgets.RadioSelect,
        label="How confident are you that this name fits?",
    )
    free_text = models.LongStringField(blank=True, label="Would you call it something else?")
    heard = models.LongStringField(blank=True)


class Trial(Page):
    form_model = "player"
    form_fields = ["choice", "confidence", "free_text"]

    @staticmethod
    def vars_for_template(player):
        return {"sounds": [f"listening/sound{n}.flac" for n in (1, 2, 3)]}

    @staticmethod
    def live_method(player, data):
        player.heard = (player.field_maybe_none("heard") or "") + str(data)


page_sequence = [Trial]
