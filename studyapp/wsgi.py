"""The WSGI entry of the site."""

import os

from django.core.wsgi import get_wsgi_application

from studyapp.private import keep_private

keep_private()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studyapp.settings")
application = get_wsgi_application()
