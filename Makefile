# make demo   the whole job on drawn phantom films, to a report
# make test   style, types, and all tests but for the slow ones; minutes
# make slow   the tests that take five seconds or more each: real trainings, all real films, every state of the page
# make light  the light installation, tried in a clean environment: half a gigabyte to install
# make model  the model inside the package, trained anew on ../shared/films; two to three hours on two cores
# All set up all they need in .venv; nothing is installed outside this folder, but for light's, which goes again.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FILMS := $(realpath ../shared/films)
PYTEST := $(if $(FILMS),PLAINFILM_FILMS="$(FILMS)") OMP_NUM_THREADS=1 OPENCV_FOR_THREADS_NUM=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test slow films light model check clean

demo: $(VENV)/train.done
	rm -rf demo
	$(BIN)/plainfilm demo -o demo

test: $(VENV)/dev.done check films
	$(PYTEST) -m "not slow"

slow: $(VENV)/dev.done films
	$(PYTEST) -m slow

films:
ifeq ($(FILMS),)
	@echo "REAL FILMS ABSENT: ../shared/films is not there, so the tests that need it are skipped."
endif

light: $(VENV)/dev.done
	.ci/light

# It ends with a card that says what the model is worth on the outside films, so it reads them: for a model that is chosen already
# (by validation: plainfilm train, without this), and says in docs/results/model.md how often they were read.
model: $(VENV)/dev.done
	@test -n "$(FILMS)" || { echo "make model: ../shared/films is not there, and the model is trained on its films"; exit 1; }
	test -f data/radiography/manifest.csv || \
		$(BIN)/plainfilm prepare $(FILMS)/radiography --metadata $(FILMS)/radiography.csv -o data/radiography
	$(BIN)/plainfilm train data/radiography -o runs/radiography --recipe default $(if $(wildcard runs/radiography-first),--resume)
	$(BIN)/plainfilm evaluate runs/radiography
	test -f data/external/manifest.csv || $(BIN)/plainfilm prepare $(FILMS)/external.csv -o data/external --no-split
	$(BIN)/plainfilm evaluate runs/radiography --on data/external
	$(BIN)/plainfilm audit runs/radiography
	$(BIN)/plainfilm export runs/radiography --precision int8 --author src/plainfilm/models/author.toml -o runs/radiography.plainfilm
	@echo "To ship it: cp runs/radiography.plainfilm src/plainfilm/models/default.plainfilm"

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
