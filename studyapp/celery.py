"""The Celery application, started by `celery -A studyapp.celery worker`; see also `worker.py`."""

import os

from celery import Celery

from studyapp.core.umask import keep_private

keep_private()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studyapp.settings")

app = Celery("earwitness", include=["studyapp.jobs.tasks", "studyapp.worker"])
app.config_from_object("django.conf:settings", namespace="CELERY")
# Notifying a worker must not hang if the broker is down; the job waits in its row.
app.conf.broker_transport_options = {"socket_connect_timeout": 3}
