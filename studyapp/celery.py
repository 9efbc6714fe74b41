"""The Celery application: `celery -A studyapp.celery worker` serves it; `worker.py` says how."""

import os

from celery import Celery

from studyapp.core.umask import keep_private

keep_private()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studyapp.settings")

app = Celery("earwitness", include=["studyapp.jobs.tasks", "studyapp.worker"])
app.config_from_object("django.conf:settings", namespace="CELERY")
# A request that rings the bell must not hang on a broker that is away: the row waits for it.
app.conf.broker_transport_options = {"socket_connect_timeout": 3}
