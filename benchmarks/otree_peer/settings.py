"""The oTree project for `benchmarks.load`: the same trial, as an oTree author would write it."""

from os import environ

SESSION_CONFIGS = [
    {"name": "listening", "app_sequence": ["listening"], "num_demo_participants": 1},
]
SESSION_CONFIG_DEFAULTS = {"real_world_currency_per_point": 1.0, "participation_fee": 0.0}
LANGUAGE_CODE = "en"
ADMIN_USERNAME = "admin"
ADMIN_PASSWORD = environ.get("OTREE_ADMIN_PASSWORD", "")
SECRET_KEY = environ.get("OTREE_SECRET_KEY", "only-on-this-machine")
