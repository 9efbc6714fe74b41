# Two commands: `make demo` and `make test`. Both work from a fresh clone with Python 3.11 to 3.14 and make.

# 3.11 first: Essentia's package, which some tests need, is for no other.
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3.14 python3; do \
  $$each -c "" 2>/dev/null && { echo $$each; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Python compiles what it imports; to compile all of it beforehand takes half of an installation.
INSTALL := $(PIP) install --no-compile
# What is imported must be kept compiled then, for every process would compile it again.
unexport PYTHONDONTWRITEBYTECODE
LOCK := requirements/constraints.txt requirements/no-deps.txt requirements/audiocraft.txt requirements/laion-clap.txt pyproject.toml
PORT ?= 8000

.PHONY: demo test lint unit e2e chromium bench bench-simulated bench-statistics bench-ordinal bench-browser bench-export bench-parity \
  bench-extraction bench-arrivals bench-kills bench-load bench-pages bench-clap bench-detection bench-recovery bench-fuzz bench-rehearsal lock clean help
.DELETE_ON_ERROR:

help:
	@echo "make demo   the whole path on this machine, then the site at http://127.0.0.1:$(PORT)"
	@echo "make test   everything that the continuous integration checks"
	@echo "make bench  the benchmarks, each printing its table"
	@echo "make lock   re-pin the versions from the current environment"
	@echo "make clean  removes the environment; what was made stays in data/ (or EARWITNESS_DATA)"

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "No Python was found: install python3 and python3-venv, 3.11 to 3.14." >&2; exit 1; }
	@$(PYTHON) requirements/check_python.py
	$(PYTHON) -m venv $(VENV)

# What the demo needs; a second call does nothing.
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

# What locks, races or counts, once more on the database of a site with many participants.
ON_POSTGRESQL := $(wildcard tests/studyapp/*/services) $(addprefix tests/studyapp/,core exports jobs recruitment results hosting/test_backups.py)

# The browser tests drive Debian's Chromium; where this user may install it, this does.
chromium:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	  else echo "Chromium is missing: install it with 'sudo apt-get install chromium', then run this again." >&2; exit 1; fi; }

bench: bench-simulated bench-statistics bench-ordinal bench-browser bench-export bench-parity bench-extraction bench-arrivals bench-kills bench-load bench-pages bench-clap bench-detection bench-recovery bench-fuzz

bench-browser: $(VENV)/.test
	$(BIN)/python -m benchmarks.feature_browser --database sqlite
	$(BIN)/python -m benchmarks.feature_browser --database postgresql

bench-export: $(VENV)/.test
	$(BIN)/python -m benchmarks.export_size

# Odd requests to every address, on both databases.
bench-fuzz: $(VENV)/.test
	$(BIN)/python -m benchmarks.fuzz --database sqlite
	$(BIN)/python -m benchmarks.fuzz --database postgresql

bench-simulated: $(VENV)/.demo
	$(BIN)/python -m benchmarks.simulated_coverage

bench-statistics: $(VENV)/.demo
	$(BIN)/python -m benchmarks.statistics_coverage
	$(BIN)/python -m benchmarks.statistics_speed
	$(BIN)/python -m benchmarks.statistics_malformed

bench-parity: $(VENV)/.test
	$(BIN)/python -m benchmarks.parity

bench-extraction: $(VENV)/.demo
	$(BIN)/python -m benchmarks.extraction --clips 1000 --clip-seconds 2

bench-arrivals: $(VENV)/.test
	$(BIN)/python -m benchmarks.arrivals

bench-kills: $(VENV)/.test
	$(BIN)/python -m benchmarks.kills --kills 1000 --database sqlite
	$(BIN)/python -m benchmarks.kills --kills 1000 --database postgresql

bench-load: $(VENV)/.test
	$(BIN)/python -m benchmarks.load
	$(BIN)/python -m benchmarks.load --arrive 15 --trials 4 --burst 0 --without-otree

bench-pages: $(VENV)/.test chromium
	$(BIN)/python -m benchmarks.page_weight --device phone
	$(BIN)/python -m benchmarks.page_weight --device desktop

bench-clap: $(VENV)/.demo
	$(BIN)/python -m benchmarks.clap_scoring

# About six minutes on two cores: the demo's corpus, a run, and who named its features best.
bench-detection: $(VENV)/.demo
	$(BIN)/python -m fixtures.corpus --out data/corpora/demo
	$(BIN)/python -m pipeline run benchmarks/detection.toml --out data/runs/detection --corpus data/corpora/demo
	$(BIN)/python -m benchmarks.detection_table data/runs/detection

# The planted-concept benchmark, docs/recovery.md.
bench-recovery: $(VENV)/.demo
	$(BIN)/python -m fixtures.corpus --out data/corpora/recovery --tracks 2880 --seed 1 --shares sparse
	$(BIN)/python -m pipeline run benchmarks/recovery.toml --out data/runs/recovery --corpus data/corpora/recovery
	$(BIN)/python -m benchmarks.dictionary_choice data/runs/recovery
	$(BIN)/python -m pipeline recovery data/runs/recovery --benchmark

# The whole of compose.yaml without Docker, as root on Debian 12; says which packages are missing.
# Not part of `make bench`: it downloads a base system and builds the image, about ten minutes.
bench-rehearsal: $(VENV)/.test
	$(BIN)/python -m benchmarks.rehearsal

# Needs R: apt-get install r-base-core r-cran-ordinal
bench-ordinal: $(VENV)/.demo
	$(BIN)/python -m benchmarks.statistics_ordinal

# What only other Pythons need (the lines with a marker) is kept as it is.
lock: $(VENV)/.test
	{ $(PIP) freeze --exclude-editable | grep -v -e '^tinysoundfont==' -e '^audiocraft==' -e '^laion.clap==' -e '^torchlibrosa==' -e '^pip==' -e '^setuptools==' | sed 's/+cpu$$//'; \
	  grep ';' requirements/constraints.txt; } | LC_ALL=C sort -f -t= -k1,1 > $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt requirements/constraints.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
