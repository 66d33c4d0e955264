# make env    the environment in .venv (make env HERE=1: complete the active one)
# make demo   environment, a simulated city, LSTM with and without ST-LoRA over two seeds; table, picture, report
# make smoke  environment and the fast tests, the heart of every room
# make test   environment and all tests
# JOBS=1      one run of the demo, one file of tests at a time; else two
# make lint   environment, ruff, and mypy over the library, the backbones and the commands

PYTHON ?= python3
ifdef HERE
  RUN := $(PYTHON)
  ENV := $(shell $(PYTHON) -c 'import sys; print(sys.prefix)')
  TORCH := $(shell $(PYTHON) -c 'from importlib.metadata import version; torch = version("torch"); \
    print(torch if tuple(map(int, torch.split(".")[:2])) >= (2, 11) else "")' 2> /dev/null)
else
  RUN := .venv/bin/python
  ENV := .venv
endif
STAMP := $(ENV)/.stlora-$(shell pwd | cksum | cut -d ' ' -f 1)# of this clone: the project is installed from it
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check

.PHONY: env demo smoke test lint
env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt requirements-host.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "error: Python " + \
	  sys.version.split()[0] + "; expected 3.11 or newer: make env PYTHON=python3.11")'
ifndef HERE
	@[ -x .venv/bin/pip ] || { echo "[env] making .venv with $$($(PYTHON) --version)"; $(PYTHON) -m venv .venv; }
endif
	@sed 's/^torch==.*/$(if $(TORCH),torch==$(TORCH),&)/' constraints.txt > $@.constraints
	@echo "[env] $(if $(TORCH),keeping torch $(TORCH),installing $$(grep ^torch== constraints.txt), which can take minutes)"
	@$(PIP) -c $@.constraints torch
	@echo "[env] installing the other packages, with the versions of constraints.txt, and this project, editable"
	@$(PIP) -c $@.constraints -e '.[benchmark,dev]'
	@echo "[env] installing BasicTS and easy-torch without their pins (requirements-host.txt)"
	@$(PIP) --no-deps -r requirements-host.txt
	@touch $@

JOBS ?= 2
demo: env
	$(RUN) experiments/sweep.py --datasets CITY --models HA LSTM LSTM+ --arms base plus --seeds 0 1 --epochs 3 \
	  --batch-size 32 --set model.hidden_size=32 model.num_layers=1 model.end_size=128 --jobs $(JOBS) --results results/demo
	$(RUN) experiments/table.py --dataset CITY --short --results results/demo
	$(RUN) experiments/plot.py --dataset CITY --results results/demo --models LSTM LSTM+ --out results/demo/CITY.png
	$(RUN) experiments/report.py --dataset CITY --results results/demo --out results/demo/report.html

SMOKE := baselines/test_backbones.py config/test_configs.py data/test_dataset_names.py experiments/test_smoke.py \
  host/test_scaler_and_windows.py host/test_resume.py lora/test_adapter_files.py lora/test_attached.py \
  lora/test_freezing.py lora/test_invariants.py parity plots preparation/test_prepare_own.py project/test_rooms.py \
  properties report/test_parts.py runs/test_published_keys.py runs/test_verify.py simulation sweep/test_plan.py \
  sweep/test_schedule.py tables/test_paired.py tables/test_tables.py
smoke: env
	$(RUN) -m pytest -n $(JOBS) --dist loadfile -m "not slow" $(addprefix tests/,$(SMOKE))

test: env
	$(RUN) -m pytest -n $(JOBS) --dist loadfile

lint: env
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
