"""gunicorn in the image, behind nginx, which keeps slow clients away from its threads.

`WEB_CONCURRENCY` says how many processes; `GUNICORN_CMD_ARGS="--threads 16"` overrides all this.
"""

bind = "0.0.0.0:8000"
worker_class = "gthread"
threads = 8
# On a disk a heartbeat waits for the disk, and a busy one gets the process killed.
worker_tmp_dir = "/dev/shm"  # noqa: S108 - memory, and no name of ours in it
graceful_timeout = 20
# Longer than nginx keeps a connection open towards the site.
keepalive = 75
control_socket_disable = True
# No access log: a recruiting service's links carry identifiers of people.
accesslog = None
