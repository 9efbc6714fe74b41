#!/usr/bin/env python
"""Django's command line for Earwitness."""

import os
import sys

from studyapp.core.umask import keep_private


def main() -> None:
    """Run one management command under the project's settings."""
    keep_private()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studyapp.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
