# make demo   the whole job on drawn phantom films, to a report
# make test   everything that CI checks
# Both set up all they need in .venv; nothing is installed outside this folder.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FILMS := $(realpath ../shared/films)

.PHONY: demo test check clean

demo: $(VENV)/train.done
	rm -rf demo
	$(BIN)/plainfilm demo -o demo

test: $(VENV)/dev.done check
ifeq ($(FILMS),)
	@echo "REAL FILMS ABSENT: ../shared/films is not there, so the tests that need it are skipped."
endif
	$(if $(FILMS),PLAINFILM_FILMS="$(FILMS)") OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

check: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/train.done: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[train]"
	touch $@

$(VENV)/dev.done: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/train.done

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache
