# One image for site and worker; compose.yaml says which command each runs.
# Any Debian 12 with Python 3.11 will do: `make bench-rehearsal` builds on one of Debian's packages.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
# What is downloaded once, Hugging Face's models too, stays on the volume.
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PATH=/opt/venv/bin:$PATH \
    EARWITNESS_DATA=/data HF_HOME=/data/hub
# pg_dump and pg_restore, of the major version of compose.yaml's database: `manage.py backup`.
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-client-15 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
# torch's own index holds the build without CUDA; without it the image is several GB larger.
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
# The proxy runs under the same number, so that no file need be readable by others.
RUN pip install -c requirements/constraints.txt -e ".[site,pipeline,gemini]" \
    && useradd --create-home --uid 10001 earwitness && mkdir -m 700 /data && chown earwitness /data
USER earwitness
VOLUME /data
EXPOSE 8000
# Processes and threads: WEB_CONCURRENCY and GUNICORN_CMD_ARGS, in `.env`.
CMD ["gunicorn", "studyapp.wsgi:application", "--config", "deploy/gunicorn.conf.py"]
