"""Jobs that make the report of one version of a study."""

from __future__ import annotations

import tempfile
from pathlib import Path

from studyapp import exports
from studyapp.jobs.services import jobs
from studyapp.models import Study
from studyapp.results import services as results
from studyapp.studies.services import blinding


def work(lease: jobs.JobLease) -> None:
    """Export the job's study, analyse the export and store the report."""
    study = Study.objects.filter(pk=lease.job.target).first()
    if study is None:
        raise jobs.WorkError("the study no longer exists")
    if not blinding.may_be_seen(study):
        raise jobs.WorkError("the study is open again, and its results would unblind researchers")
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = exports.export_study(study=study, out=Path(folder) / "export")
            lease.check()
            results.make_report(
                responses=made / "responses.csv",
                out=results.folder_of(study),
                feature_pages=results.feature_pages_of(study),
            )
        except (exports.ExportError, results.ReportError) as error:
            raise jobs.WorkError(str(error)) from error
