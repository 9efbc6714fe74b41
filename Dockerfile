# One image for site and worker; compose.yaml says which command each runs.
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 EARWITNESS_DATA=/data
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
# torch's own index holds the build without CUDA; without it the image is several GB larger.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --extra-index-url "$TORCH_INDEX" -c requirements/constraints.txt "torch==2.13.0"
COPY studyapp studyapp
COPY pipeline pipeline
COPY analysis analysis
COPY fixtures fixtures
COPY manage.py ./
RUN pip install -c requirements/constraints.txt -e ".[pipeline]" \
    && useradd --create-home earwitness && mkdir /data && chown earwitness /data
USER earwitness
VOLUME /data
EXPOSE 8000
# No access log: a recruiting service's links carry identifiers of people.
CMD ["gunicorn", "studyapp.wsgi:application", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4"]
