"""Errors of the site. Every message is the one line that is shown to the user."""

from __future__ import annotations


class RunError(Exception):
    """A run or its config is refused."""


class StudyError(Exception):
    """A study cannot be created, changed, opened or entered as requested."""


class StudyUnavailableError(StudyError):
    """The study accepts no participants at the moment."""


class StudyFullError(StudyUnavailableError):
    """Every place of the study is taken."""


class CrowdedError(StudyUnavailableError):
    """The visitor's address has reached the limit of participations per day."""


class ParticipationError(StudyError):
    """A participant's request does not fit the current step of the participation."""


class NotHeardError(ParticipationError):
    """An answer was given before all sounds of its trial were played to the end."""


class PlaceLostError(ParticipationError):
    """The lease has expired and another participant has the place."""


class NotInvitedError(StudyUnavailableError):
    """The study is only for invited people, and this link is not an invitation or is used up."""


class BrokenLinkError(NotInvitedError):
    """The link has a placeholder where the participant's identifier should be."""


class TakenPartError(NotInvitedError):
    """The person already has a participation in the study, under another submission."""


class TookPartBeforeError(NotInvitedError):
    """The person took part in an earlier study whose participants this one excludes."""


class UnknownSubmissionError(NotInvitedError):
    """The recruiting service does not know the submission that the link names."""


class RecruitmentError(StudyError):
    """The recruiting service, or a message in its name, cannot be understood or verified."""


class InstallationError(Exception):
    """The data folder, the key and the database do not belong together."""


class BackupError(Exception):
    """A backup cannot be made or cannot be restored here."""
