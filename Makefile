# make env    the environment in .venv (make env HERE=1: complete the active one)
# make demo   environment, a simulated city, a training run over seeds, its table
# make test   environment and tests
# make lint   environment and ruff

PYTHON ?= python3
ifdef HERE
  RUN := $(PYTHON)
  INSTALL := $(PYTHON) .ci/install.py --here
else
  RUN := .venv/bin/python
  INSTALL := $(PYTHON) .ci/install.py
endif

.PHONY: env demo test lint
env:
	@$(INSTALL)

demo: env
	$(RUN) experiments/run.py -c experiments/CITY/HA.py
	$(RUN) experiments/run.py -c experiments/CITY/LSTM.py --seeds 0 1 --epochs 5
	$(RUN) experiments/table.py --dataset CITY

test: env
	$(RUN) -m pytest

lint: env
	$(RUN) -m ruff check .
