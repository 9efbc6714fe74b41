"""Downloads of a study's answers, for researchers who may see them."""

from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from studyapp import exports
from studyapp.core import audit
from studyapp.studies.views.access import data_for


@require_GET
def responses_csv(request: HttpRequest, slug: str, version: int) -> StreamingHttpResponse:
    """Stream `responses.csv`; with `?for=spreadsheet` no text is taken for a formula."""
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
    """Stream the export as a zip file, with the options `parquet`, `spreadsheet`, `psych_ds`."""
    study = data_for(request, slug, version)
    name = f"{study.slug}-v{study.version}.zip"
    asked = {form: form in request.GET for form in ("parquet", "spreadsheet", "psych_ds")}
    audit.note(user=request.user, action="exported", target=study, project=study.project, file=name)
    pieces = exports.zip_study(study, exports.Forms(**asked))
    response = StreamingHttpResponse(pieces, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
