"""The WSGI entry of the site."""

import os
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from studyapp.core.umask import keep_private

keep_private()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studyapp.settings")


class Request(WSGIRequest):
    """Django's, for which a content type that it cannot parse is an error outside of any view."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc] # not in the stubs
        except (ValueError, LookupError):
            # No charset of ours: the first middleware answers 400.
            self.content_type, self.content_params = "", {"charset": "unknown"}


class Application(WSGIHandler):
    """Django's, with that request."""

    request_class = Request


django.setup(set_prefix=False)
application = Application()
