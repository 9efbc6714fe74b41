# The main commands are `make demo` and `make test`. Both work in a fresh clone with make and Python 3.11 to 3.14.

# Prefer 3.11: Essentia's package, which some tests need, exists for no other version.
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3.14 python3; do \
  $$each -c "" 2>/dev/null && { echo $$each; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Python compiles modules when it imports them; compiling all of them now would double the time.
INSTALL := $(PIP) install --no-compile
# So compiled modules must be stored, or else every process would compile them again.
unexport PYTHONDONTWRITEBYTECODE
LOCK := requirements/constraints.txt requirements/no-deps.txt requirements/audiocraft.txt requirements/laion-clap.txt pyproject.toml
PORT ?= 8000

.PHONY: demo test lint unit e2e chromium bench bench-sae bench-sae-rates bench-sae-truth bench-simulated bench-statistics bench-ordinal bench-browser bench-export bench-parity \
  bench-extraction bench-arrivals bench-consent bench-kills bench-load bench-pages bench-clap bench-detection bench-recovery bench-steering bench-recurrence bench-scale bench-fuzz bench-pieces bench-rehearsal lock clean help
.DELETE_ON_ERROR:

help:
	@echo "make demo   make a corpus, a run and a study, then serve the site at http://127.0.0.1:$(PORT)"
	@echo "make test   run everything that continuous integration checks"
	@echo "make bench  run the benchmarks, each of which prints a table"
	@echo "make lock   pin the versions of the current environment"
	@echo "make clean  remove the environment; runs and media stay in data/ (or EARWITNESS_DATA)"

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "No Python was found: install python3 and python3-venv, 3.11 to 3.14." >&2; exit 1; }
	@$(PYTHON) requirements/check_python.py
	$(PYTHON) -m venv $(VENV)

# The environment of the demo; installed once.
$(VENV)/.demo: $(LOCK) | $(VENV)/bin/python
	@echo "Installing the environment (about 1.5 GB, once) ..."
	$(INSTALL) --quiet --upgrade pip
	$(INSTALL) --progress-bar on --constraint requirements/constraints.txt --editable ".[demo]"
	$(INSTALL) --quiet --no-deps --requirement requirements/no-deps.txt
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(INSTALL) --progress-bar on --constraint requirements/constraints.txt --editable ".[test]"
	$(INSTALL) --quiet --no-deps --requirement requirements/audiocraft.txt --requirement requirements/laion-clap.txt
	@touch $@

demo: $(VENV)/.demo
	@$(BIN)/python manage.py demo --port $(PORT)

test: $(VENV)/.test chromium lint unit

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.django makemigrations --check --dry-run
	$(BIN)/python -m tests.django check --fail-level WARNING

unit: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist loadgroup
	EARWITNESS_TEST_DATABASE=postgresql $(BIN)/python -m pytest -n 2 $(ON_POSTGRESQL)

# Tests of locks, races and counts run again on PostgreSQL, the database of larger sites.
ON_POSTGRESQL := $(wildcard tests/studyapp/*/services) $(addprefix tests/studyapp/,core/database core/test_addresses.py core/test_clock.py core/test_installation.py exports jobs recruitment results hosting/test_backups.py)

# The browser tests need Debian's Chromium; root installs it here.
chromium:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	  else echo "Chromium is missing: install it with 'sudo apt-get install chromium', then run this again." >&2; exit 1; fi; }

bench: bench-simulated bench-statistics bench-ordinal bench-browser bench-export bench-parity bench-extraction bench-arrivals bench-consent bench-kills bench-load bench-pages bench-clap bench-detection bench-recovery bench-scale bench-fuzz bench-machines bench-pieces bench-recurrence

bench-browser: $(VENV)/.test
	$(BIN)/python -m benchmarks.feature_browser --database sqlite
	$(BIN)/python -m benchmarks.feature_browser --database postgresql

bench-export: $(VENV)/.test
	$(BIN)/python -m benchmarks.export_size

# Malformed requests to every address, on both databases.
bench-fuzz: $(VENV)/.test
	$(BIN)/python -m benchmarks.fuzz --database sqlite
	$(BIN)/python -m benchmarks.fuzz --database postgresql

# How often people, people with assistive technology, and programs would get the flag machine_like.
bench-machines: $(VENV)/.test
	$(BIN)/python -m benchmarks.machines.signs

# One worker, four, and four of which two are killed, on the same sweep.
bench-pieces: $(VENV)/.test
	$(BIN)/python -m benchmarks.runs.pieces
	$(BIN)/python -m benchmarks.runs.pieces --s3 --workers 2 --tracks 256 --steps 200

bench-simulated: $(VENV)/.demo
	$(BIN)/python -m benchmarks.simulated_coverage
	$(BIN)/python -m benchmarks.simulated.pairs

bench-statistics: $(VENV)/.demo
	$(BIN)/python -m benchmarks.statistics_coverage --processes 2 --resume data/statistics.jsonl
	$(BIN)/python -m benchmarks.statistics_coverage --processes 2 --resume data/statistics.jsonl \
	  --part ratings choices --cells border --most 40 --studies 2000
	$(BIN)/python -m benchmarks.statistics_speed
	$(BIN)/python -m benchmarks.statistics_malformed
	$(BIN)/python -m benchmarks.statistics_looks
	$(BIN)/python -m benchmarks.statistics_models

bench-parity: $(VENV)/.test
	$(BIN)/python -m benchmarks.parity

bench-extraction: $(VENV)/.demo
	$(BIN)/python -m benchmarks.extraction --clips 1000 --clip-seconds 2

bench-arrivals: $(VENV)/.test
	$(BIN)/python -m benchmarks.arrivals
	$(BIN)/python -m benchmarks.arrivals --participants 500 --within 10

# From a hundred participations to a hundred thousand.
bench-consent: $(VENV)/.test
	$(BIN)/python -m benchmarks.participants.consent

bench-kills: $(VENV)/.test
	$(BIN)/python -m benchmarks.kills --kills 1000 --database sqlite
	$(BIN)/python -m benchmarks.kills --kills 1000 --database postgresql

# About ten minutes on two quiet cores.
bench-load: $(VENV)/.test
	$(BIN)/python -m benchmarks.load

bench-pages: $(VENV)/.test chromium
	$(BIN)/python -m benchmarks.page_weight --device phone
	$(BIN)/python -m benchmarks.page_weight --device desktop

bench-clap: $(VENV)/.demo
	$(BIN)/python -m benchmarks.clap_scoring

# About six minutes on two cores: the demo's corpus, a run, and which method labelled it best.
bench-detection: $(VENV)/.demo
	$(BIN)/python -m fixtures.corpus --out data/corpora/demo
	$(BIN)/python -m pipeline run benchmarks/detection.toml --out data/runs/detection --corpus data/corpora/demo
	$(BIN)/python -m benchmarks.detection_table data/runs/detection

# What steering does, beside random directions, twice; see docs/steering.md. Not part of `make bench`,
# since it takes hours.
bench-steering: $(VENV)/.demo
	$(BIN)/python -m fixtures.corpus --out data/corpora/demo
	$(BIN)/python -m pipeline run benchmarks/steering.toml --out data/runs/steering --corpus data/corpora/demo --until labels
	$(BIN)/python -m benchmarks.steering data/runs/steering

# Whether a motif that returns is told from another in the same texture; see docs/steering.md.
bench-recurrence: $(VENV)/.demo
	$(BIN)/python -m benchmarks.recurrence

# The planted-concept benchmark, see docs/recovery.md.
bench-recovery: $(VENV)/.demo
	$(BIN)/python -m fixtures.corpus --out data/corpora/recovery --tracks 2880 --seed 1 --shares sparse
	$(BIN)/python -m pipeline run benchmarks/recovery.toml --out data/runs/recovery --corpus data/corpora/recovery
	$(BIN)/python -m benchmarks.dictionary_choice data/runs/recovery
	$(BIN)/python -m pipeline recovery data/runs/recovery --benchmark

# Memory and time of the stages after `sae`, from 768 to 65,536 latents and 200 to 3,200 tracks.
bench-scale: $(VENV)/.demo
	$(BIN)/python -m benchmarks.scale

# A training step of ours beside those of sparsify, SAELens and dictionary_learning, each in an
# environment of its own under data/peers (4 GB, made by the first call). Without these about fourteen
# minutes on two quiet cores. Not part of `make bench`, since it installs them.
bench-sae: $(VENV)/.demo
	$(BIN)/python -m benchmarks.sae.speed --rounds 5
	$(BIN)/python -m benchmarks.sae.speed --rounds 5 --threads 1
	$(BIN)/python -m benchmarks.sae.speed --rounds 3 --threads 1 --sides "sparsify, memory kept" \
	  saelens "saelens, memory kept" dictionary_learning "dictionary_learning, memory kept"
	$(BIN)/python -m benchmarks.sae.speed --rounds 5 --dead 1024
	$(BIN)/python -m benchmarks.sae.scaling
	$(BIN)/python -m benchmarks.sae.together --steps 12
	$(BIN)/python -m benchmarks.sae.one_pass
	$(BIN)/python -m benchmarks.sae.interop
	$(BIN)/python -m benchmarks.sae.adoption

# What other learning rates, batches, warm-ups and decays give on finished runs; see docs/saes.md.
bench-sae-rates: $(VENV)/.demo
	$(BIN)/python -m benchmarks.sae.chosen_rate data/runs/demo data/runs/recovery
	$(BIN)/python -m benchmarks.sae.schedule data/runs/demo

# Directions that are known to be there: which of them our variants and the peers' SAEs find. Then
# a wide dictionary, for the share of latents that fall silent.
bench-sae-truth: $(VENV)/.demo
	$(BIN)/python -m benchmarks.sae.truth
	$(BIN)/python -m benchmarks.sae.truth --directions 2048 --n 65536 --k 32 --steps 80 --seeds 1 \
	  --rates 2e-4 1e-3 1.5e-3 6e-3 2.4e-2 --every-rate --dead-after 30000 --held-out 8192 \
	  --sides "ours topk" "ours scaled start" sparsify

# Runs all of compose.yaml without Docker, as root on Debian 12; reports missing packages.
# Not part of `make bench`, since it downloads a base system and builds the image (ten minutes).
bench-rehearsal: $(VENV)/.test
	$(BIN)/python -m benchmarks.rehearsal

# Needs R: apt-get install r-base-core r-cran-ordinal
bench-ordinal: $(VENV)/.demo
	$(BIN)/python -m benchmarks.statistics_ordinal

# Lines with a marker, for other versions of Python, are kept unchanged.
lock: $(VENV)/.test
	{ $(PIP) freeze --exclude-editable | grep -v -e '^tinysoundfont==' -e '^audiocraft==' -e '^laion.clap==' -e '^torchlibrosa==' -e '^pip==' -e '^setuptools==' | sed 's/+cpu$$//'; \
	  grep ';' requirements/constraints.txt; } | LC_ALL=C sort -f -t= -k1,1 > $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt requirements/constraints.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
