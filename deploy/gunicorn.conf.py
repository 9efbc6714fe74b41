"""Settings of gunicorn in the image. nginx in front of it keeps slow clients off its threads.

`WEB_CONCURRENCY` sets the number of processes; `GUNICORN_CMD_ARGS="--threads 16"` overrides any
setting.
"""

bind = "0.0.0.0:8000"
worker_class = "gthread"
# Threads of one process wait for each other: four processes of four threads serve more than two of
# eight. A thread that waits for the database costs nothing.
threads = 4
# On a busy disk, heartbeats would be delayed, and gunicorn would kill the process.
worker_tmp_dir = "/dev/shm"  # noqa: S108 - in memory; gunicorn chooses the file names
graceful_timeout = 20
# Longer than nginx keeps its connections to the site open.
keepalive = 75
control_socket_disable = True
# No access log: links from recruiting services contain identifiers of people.
accesslog = None
