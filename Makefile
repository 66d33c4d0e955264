# make env    the environment in .venv (make env HERE=1: complete the active one)
# make demo   environment, a simulated city, LSTM with and without ST-LoRA over two seeds; table, picture, report
# make test   environment and tests, two files side by side (JOBS=1: one)
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

DEMO := --seeds 0 1 --epochs 6 --set model.hidden_size=32 model.end_size=128 --results results/demo
demo: env
	$(RUN) experiments/run.py -c experiments/CITY/HA.py --results results/demo
	$(RUN) experiments/run.py -c experiments/CITY/LSTM.py $(DEMO)
	$(RUN) experiments/run.py -c experiments/CITY/LSTM_LoRA.py $(DEMO)
	$(RUN) experiments/table.py --dataset CITY --short --results results/demo
	$(RUN) experiments/plot.py --dataset CITY --results results/demo --models LSTM LSTM+ --out results/demo/CITY.png
	$(RUN) experiments/report.py --dataset CITY --results results/demo --out results/demo/report.html

JOBS ?= 2
test: env
	$(RUN) -m pytest -n $(JOBS) --dist loadfile

lint: env
	$(RUN) -m ruff check .
