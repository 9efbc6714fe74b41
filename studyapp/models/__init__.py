"""The rows of the site. Rules that a database can hold stand here as named constraints."""

from studyapp.models.audit import AuditRecord
from studyapp.models.browsing import FeatureList, FeatureSearch, FeatureView
from studyapp.models.deviations import Deviation
from studyapp.models.drafts import StudyDraft
from studyapp.models.installation import Installation
from studyapp.models.jobs import Job
from studyapp.models.notices import Notice, NoticeSettings
from studyapp.models.participation import (
    Event,
    Participation,
    Response,
    StepRecord,
    Tally,
    Trial,
)
from studyapp.models.problems import ProblemReport
from studyapp.models.projects import Invitation, Membership, Project, Role
from studyapp.models.recruitment import (
    Delivery,
    EntryToken,
    ListedPerson,
    ParticipantGroup,
    PersonList,
    Recruitment,
    RecruitmentAction,
)
from studyapp.models.runs import (
    Clip,
    Exemplar,
    Feature,
    JoinedRuns,
    LabelCandidate,
    Run,
    StageFindings,
    StageRecord,
    SteeredClip,
    SteeringEvaluation,
)
from studyapp.models.series import StudySeries
from studyapp.models.studies import Condition, Item, Stimulus, Study
from studyapp.models.tokens import ApiToken

__all__ = [
    "ApiToken",
    "AuditRecord",
    "Clip",
    "Condition",
    "Delivery",
    "Deviation",
    "EntryToken",
    "Event",
    "Exemplar",
    "Feature",
    "FeatureList",
    "FeatureSearch",
    "FeatureView",
    "Installation",
    "Invitation",
    "Item",
    "Job",
    "JoinedRuns",
    "LabelCandidate",
    "ListedPerson",
    "Membership",
    "Notice",
    "NoticeSettings",
    "ParticipantGroup",
    "Participation",
    "PersonList",
    "ProblemReport",
    "Project",
    "Recruitment",
    "RecruitmentAction",
    "Response",
    "Role",
    "Run",
    "StageFindings",
    "StageRecord",
    "SteeredClip",
    "SteeringEvaluation",
    "StepRecord",
    "Stimulus",
    "Study",
    "StudyDraft",
    "StudySeries",
    "Tally",
    "Trial",
]
