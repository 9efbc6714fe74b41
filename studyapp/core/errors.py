"""What the site refuses. Every message is the one line that a person reads."""

from __future__ import annotations


class RunError(Exception):
    """A run or its config is refused."""


class StudyError(Exception):
    """A study cannot be made, changed, opened or entered as asked."""


class StudyUnavailableError(StudyError):
    """The study takes nobody just now: it is not open."""


class StudyFullError(StudyUnavailableError):
    """Every place of the study is taken."""


class CrowdedError(StudyUnavailableError):
    """As many passages as may began from the visitor's address today."""


class ParticipationError(StudyError):
    """A participant's request does not fit where the participation stands."""


class NotHeardError(ParticipationError):
    """An answer came before all three sounds of its trial were heard to the end."""


class PlaceLostError(ParticipationError):
    """The lease ran out and somebody else has the place now."""


class NotInvitedError(StudyUnavailableError):
    """The study takes in only who was invited, and this link invites nobody, or nobody more."""


class BrokenLinkError(NotInvitedError):
    """The link was to say who comes, and nobody filled that in."""


class TakenPartError(NotInvitedError):
    """The person has a participation in the study already, by another submission."""


class UnknownSubmissionError(NotInvitedError):
    """The recruiting service does not know the submission that the link names."""


class RecruitmentError(StudyError):
    """The recruiting service, or a message in its name, cannot be understood or believed."""


class InstallationError(Exception):
    """This machine, its key or its database are not those that belong together."""


class BackupError(Exception):
    """A backup cannot be made, or is not one that can be restored here."""
