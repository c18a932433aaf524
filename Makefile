# Every target sets up what it needs: `make demo` works on a fresh machine with Python 3.11.
PYTHON ?= python3
RECIPE ?= demo
RUN    ?= runs/$(notdir $(basename $(RECIPE)))
MODEL  ?= saved_models/fer2013-cnn
IMAGES ?= $(error IMAGES is missing: name photographs or folders, e.g. IMAGES=photo.jpg)
VIDEO  ?= $(error VIDEO is missing: name a file, e.g. VIDEO=talk.mp4)
SOURCE ?= 0
RUNS   ?= $(error RUNS is missing: name run folders, e.g. RUNS="runs/a runs/b")
OUT    ?=
DATA   ?=
SET    ?=
SPLIT  ?=
ARGS   ?=
# Processes of `make test`: a test file stays in one, since its tests share what was trained.
JOBS   ?= 2

VENV := .venv
PY   := $(VENV)/bin/python
READY := $(VENV)/.ready
option = $(if $(2),$(foreach value,$(2),$(1) $(value)))
RECIPE_OPTIONS = --recipe $(RECIPE) $(call option,--data,$(DATA)) $(call option,--set,$(SET))

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 12
	@echo
	@echo "Variables: RECIPE (now $(RECIPE)), RUN, DATA=[SOURCE=]PATH, SET=key=value, MODEL, IMAGES,"
	@echo "VIDEO, SOURCE, SPLIT, OUT, ARGS (any further option of the script; see scripts/NAME.py --help)"

$(READY): requirements.txt pyproject.toml
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV), a minute or two ..."
	$(PY) -m pip install -q --disable-pip-version-check -r requirements.txt -e '.[dev]'
	@touch $@

.PHONY: install
install: $(READY)  ## set up .venv (every other target does it by itself)

.PHONY: demo
demo: $(READY)  ## the whole road on synthetic faces, from drawing them to a TFLite file
	$(PY) scripts/demo.py $(ARGS)

.PHONY: split
split: $(READY)  ## turn a recipe's datasets into a leak-free manifest (RECIPE, DATA)
	$(PY) scripts/split.py $(RECIPE_OPTIONS) $(ARGS)

.PHONY: audit
audit: $(READY)  ## list what leaks between the splits and what is broken (RECIPE, DATA)
	$(PY) scripts/audit.py $(RECIPE_OPTIONS) $(ARGS)

.PHONY: train
train: $(READY)  ## train a recipe; the same command resumes (RECIPE, DATA, SET, RUN)
	$(PY) scripts/train.py $(RECIPE_OPTIONS) --run $(RUN) $(ARGS)

.PHONY: evaluate
evaluate: $(READY)  ## score a run with intervals, confusion matrix, mistakes (RUN, SPLIT)
	$(PY) scripts/evaluate.py --run $(RUN) $(call option,--split,$(SPLIT)) $(ARGS)

.PHONY: export
export: $(READY)  ## export a run to TFLite, measured against Keras (RUN, OUT)
	$(PY) scripts/export.py --run $(RUN) $(call option,--out,$(OUT)) $(ARGS)

.PHONY: loso
loso: $(READY)  ## score clips by leaving one subject out at a time; resumes (RECIPE, DATA, SET)
	$(PY) scripts/loso.py $(RECIPE_OPTIONS) $(ARGS)

.PHONY: ssl-kd
ssl-kd: RECIPE := $(if $(filter file,$(origin RECIPE)),ssl-kd-demo,$(RECIPE))
ssl-kd: $(READY)  ## learn without labels, fine-tune, distil, export; resumes (RECIPE, DATA, SET)
	$(PY) scripts/ssl_kd.py $(RECIPE_OPTIONS) --run $(RUN) $(ARGS)

.PHONY: probe
probe: $(READY)  ## what pretraining is worth with 1, 10 and 100 % of the labels (RUN)
	$(PY) scripts/probe.py --run $(RUN) $(ARGS)

.PHONY: predict
predict: $(READY)  ## name the expressions in photographs, or with a clip model in videos (IMAGES, MODEL)
	$(PY) scripts/predict.py $(IMAGES) --model $(MODEL) $(ARGS)

.PHONY: webcam
webcam: $(READY)  ## live recognition: camera, video, folder or stream (SOURCE, MODEL)
	$(PY) scripts/webcam.py --source $(SOURCE) --model $(MODEL) $(ARGS)

.PHONY: timeline
timeline: $(READY)  ## draw a whole video's expressions over time (VIDEO, MODEL)
	$(PY) scripts/timeline.py $(VIDEO) --model $(MODEL) $(ARGS)

.PHONY: capture
capture: $(READY)  ## collect faces into a gallery of class folders, in a window (SOURCE, MODEL)
	$(PY) scripts/capture.py --source $(SOURCE) --model $(MODEL) $(ARGS)

.PHONY: detector
detector: $(READY)  ## fetch the YuNet face detector from OpenCV's model zoo (uses the network)
	$(PY) scripts/fetch_detector.py $(ARGS)

.PHONY: edge-test
edge-test: $(READY)  ## test the runtime in environments without TensorFlow, one an interpreter
	$(PY) scripts/edge_test.py $(ARGS)

.PHONY: explain
explain: $(READY)  ## draw where a model looks, in photographs or of a run (IMAGES and MODEL, or RUN)
	$(PY) scripts/explain.py $(if $(filter file,$(origin RUN)),$(IMAGES) --model $(MODEL),--run $(RUN)) $(ARGS)

.PHONY: compare
compare: $(READY)  ## hold evaluated runs against each other (RUNS="runs/a runs/b", SPLIT)
	$(PY) scripts/compare.py $(RUNS) $(call option,--split,$(SPLIT)) $(ARGS)

.PHONY: benchmark
benchmark: $(READY)  ## latency, training speed, photographs, clips and learning a second, memory (MODEL)
	$(PY) scripts/benchmark.py --model $(MODEL) $(ARGS)
	$(PY) scripts/benchmark_runtime.py --model $(MODEL)
	$(PY) scripts/benchmark_learning.py
	$(PY) scripts/benchmark_clips.py

.PHONY: test
test: $(READY)  ## run the tests (ARGS)
	$(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: lint
lint: $(READY)  ## check style and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

.PHONY: clean
clean:  ## remove .venv and caches; data, runs and models stay
	rm -rf $(VENV) data/cache .pytest_cache .ruff_cache *.egg-info
