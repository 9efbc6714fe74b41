"""The WSGI entry point of the site."""

import gc
import os
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from studyapp.core.umask import keep_private

keep_private()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studyapp.settings")


class Request(WSGIRequest):
    """Django's request, which fails outside any view if it cannot parse the content type."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc] # not in the stubs
        except (ValueError, LookupError):
            # Not a charset that we accept: the first middleware answers with status 400.
            self.content_type, self.content_params = "", {"charset": "unknown"}


class Application(WSGIHandler):
    """Django's handler, with that request class."""

    request_class = Request


django.setup(set_prefix=False)
application = Application()
# A request leaves hardly any cycles behind, but makes so many objects that looking for some took a
# fifth of its processor time, most of it among everything that was loaded above, which stays.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
