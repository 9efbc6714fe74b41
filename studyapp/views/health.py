"""Whether the site answers: asked by its supervisor and by whatever stands before it."""

from django.http import HttpRequest, HttpResponse


def health(request: HttpRequest) -> HttpResponse:
    """A word, without a query: the process serves."""
    return HttpResponse("ok", content_type="text/plain")
