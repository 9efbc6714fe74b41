"""A study's answers as downloads, for researchers who may see them."""

from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from studyapp import exports
from studyapp.core import audit
from studyapp.studies.views.access import data_for


@require_GET
def responses_csv(request: HttpRequest, slug: str, version: int) -> StreamingHttpResponse:
    """`responses.csv`, streamed; with `?for=spreadsheet` no text of it is taken for a formula."""
    study = data_for(request, slug, version)
    safe = request.GET.get("for") == "spreadsheet"
    rows = exports.responses_as_csv(study, safe=safe)
    response = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
    suffix = ".spreadsheet" if safe else ""
    name = f"{study.slug}-v{study.version}-responses{suffix}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    audit.note(user=request.user, action="exported", target=study, project=study.project, file=name)
    return response


@require_GET
def export_zip(request: HttpRequest, slug: str, version: int) -> StreamingHttpResponse:
    """The whole export as a zip file, streamed; `parquet`, `spreadsheet`, `psych_ds` add to it."""
    study = data_for(request, slug, version)
    name = f"{study.slug}-v{study.version}.zip"
    asked = {form: form in request.GET for form in ("parquet", "spreadsheet", "psych_ds")}
    audit.note(user=request.user, action="exported", target=study, project=study.project, file=name)
    pieces = exports.zip_study(study, exports.Forms(**asked))
    response = StreamingHttpResponse(pieces, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
