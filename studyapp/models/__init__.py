"""The rows of the site. Rules that a database can hold stand here as named constraints."""

from studyapp.models.participation import Event, Participation, Response, StepRecord, Trial
from studyapp.models.recruitment import Delivery, EntryToken, Recruitment
from studyapp.models.runs import Clip, Exemplar, Feature, LabelCandidate, Run, StageRecord
from studyapp.models.studies import Condition, Item, Stimulus, Study

__all__ = [
    "Clip",
    "Condition",
    "Delivery",
    "EntryToken",
    "Event",
    "Exemplar",
    "Feature",
    "Item",
    "LabelCandidate",
    "Participation",
    "Recruitment",
    "Response",
    "Run",
    "StageRecord",
    "StepRecord",
    "Stimulus",
    "Study",
    "Trial",
]
