# One image for the site and the workers; compose.yaml gives their commands.
# Any Debian 12 with Python 3.11 works as base: `make bench-rehearsal` uses one made of packages.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
# Downloads, including models from Hugging Face, are stored on the volume.
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PATH=/opt/venv/bin:$PATH \
    EARWITNESS_DATA=/data HF_HOME=/data/hub
# pg_dump and pg_restore for `manage.py backup`, of the same major version as the database.
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-client-15 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
# torch's own index has a build without CUDA, which makes the image several GB smaller.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python3 -m venv /opt/venv \
    && pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
       -c requirements/constraints.txt "torch==2.13.0"
COPY studyapp studyapp
COPY pipeline pipeline
COPY analysis analysis
COPY fixtures fixtures
COPY deploy deploy
COPY manage.py ./
# The proxy runs under the same user id, so that files need not be readable by others.
RUN pip install -c requirements/constraints.txt -e ".[site,login,pipeline,gemini,s3]" \
    && useradd --create-home --uid 10001 earwitness && mkdir -m 700 /data && chown earwitness /data
USER earwitness
VOLUME /data
EXPOSE 8000
# Set processes and threads with WEB_CONCURRENCY and GUNICORN_CMD_ARGS in `.env`.
CMD ["gunicorn", "studyapp.wsgi:application", "--config", "deploy/gunicorn.conf.py"]
