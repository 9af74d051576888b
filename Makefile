# The commands of the project; `make` alone lists them.
# segmentation, or classification: another package, with configurations and defaults of its own
TASK   ?= segmentation
ifeq ($(value TASK),classification)
DATA   ?= digits_lt
MODEL  ?= sdn
PLACE   = experiments/classification
# without LOSS the method has that of its tables
else
DATA   ?= streets
MODEL  ?= unet_resnet18
LOSS   ?= recall
LOSSES ?= ce recall
PLACE   = experiments
endif
ifneq ($(filter-out segmentation classification,$(value TASK))$(filter-out 1,$(words $(value TASK))),)
$(error unknown TASK; there are: segmentation classification)
endif
PACKAGE = lit_seg$(if $(filter classification,$(value TASK)),.classification)
RECIPE ?=
SEED   ?= 0
METHODS ?= all
SEEDS  ?= 0 1 2
JOBS   ?= 1
PYTHON ?= python3
VENV   ?= .venv
# GPUS or PROCESSES (on a CPU) ranks are started by torchrun; without them there is one process.
RANKS   = $(or $(GPUS),$(PROCESSES))
RUN     = $(if $(RANKS),$(VENV)/bin/torchrun --standalone --nproc-per-node=$(call quoted,$(RANKS)) -m,$(VENV)/bin/python -m) $(PACKAGE)
ON      = $(if $(RANKS),--trainer.devices $(call quoted,$(RANKS)) --trainer.accelerator $(if $(GPUS),gpu,cpu)) $(ARGS)
# What a user types here is text, also where it reads like make's or the shell's language. Only ARGS
# is a piece of a command in both.
PARTS := LOSS DATA MODEL RECIPE SEED
GIVEN := $(strip $(foreach v,$(PARTS),$(if $(filter command line,$(origin $(v))),$(v))))
$(foreach v,$(PARTS) LOSSES METHODS SEEDS JOBS GPUS PROCESSES RESUME CKPT IMAGES FORMAT INIT WEIGHTS RUNS OUT,\
	$(eval override $(v) := $$(value $(v))))
CHANGED = $(if $(RESUME),$(if $(GIVEN),$(error $(firstword $(GIVEN)) cannot change: RESUME goes on with the run as it was)))
quoted = '$(subst ','\'',$(1))'
each   = $(foreach w,$(1),$(call quoted,$(w)))
# A process per core, files kept together for what their tests share; ARGS="-n 0" for one. Tests that
# call make must not hand these ARGS on.
PYTEST  = env -u MAKEFLAGS -u ARGS $(VENV)/bin/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile
INSTALLED = $(VENV)/.installed

.DEFAULT_GOAL = help
.PHONY: help train compare validate test-split predict export test test-all lint format type check coverage mutate mutations bench gpu gpu-bundle kills build clean

help:  ## this list
	@echo 'make train LOSS=recall DATA=streets MODEL=unet_resnet18 SEED=0 ARGS="--trainer.max_epochs 5"'
	@echo 'make train TASK=classification LOSS=recall DATA=digits_lt MODEL=sdn; `make TASK=classification` lists its choices'
	@echo
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  \1|/' | column -t -s '|'
	@echo
	@echo "LOSS   $(call choices,loss)"
	@echo "DATA   $(call choices,data)"
	@echo "MODEL  $(call choices,model)"
	@echo "RECIPE $(call choices,recipe)"

choices = $(sort $(basename $(notdir $(wildcard $(PLACE)/$(1)/*.yaml))))
exists = $(if $(filter-out $(call choices,$(1)),$(2))$(filter-out 1,$(words $(2))),$(error unknown $(3)=$(2); there are: $(call choices,$(1))))
# DATA may be a YAML file of yours in place of a name, also with spaces in its path.
OWN    = $(if $(filter %.yaml %.yml,$(lastword $(DATA))),$(DATA))
SPACE  = $(subst x,,x x)
# A recipe may leave out its dataset: RECIPE=strong is strong_camvid for DATA=camvid, strong_folder for a file.
whole  = $(RECIPE)_$(if $(OWN),folder,$(DATA))
CHOSEN = $(or $(filter $(whole),$(call choices,recipe)),$(RECIPE))
NAME   = $(basename $(notdir $(subst $(SPACE),_,$(DATA))))$(if $(CHOSEN),-$(CHOSEN))
fits   = $(if $(OWN)$(filter %_$(DATA),$(CHOSEN)),,$(error RECIPE=$(RECIPE) is of another dataset than DATA=$(DATA)))
CHECKS = $(call exists,loss,$(LOSS),LOSS)$(call exists,model,$(MODEL),MODEL) \
	$(if $(OWN),,$(call exists,data,$(DATA),DATA)) \
	$(if $(CHOSEN),$(call exists,recipe,$(CHOSEN),RECIPE)$(fits))
LAYERS = --config experiments/base.yaml --config $(call quoted,$(or $(OWN),experiments/data/$(DATA).yaml)) \
	$(if $(CHOSEN),--config experiments/recipe/$(CHOSEN).yaml) \
	--config experiments/model/$(MODEL).yaml --config experiments/loss/$(LOSS).yaml \
	$(addprefix --config ,$(PAPERS))
# Options that the loss has in the paper of the recipe, where those are not the defaults.
PAPERS = $(if $(CHOSEN),$(wildcard experiments/loss/of_$(firstword $(subst _, ,$(CHOSEN)))_paper/$(LOSS).yaml))
FOLDER = runs/$(NAME)/$(MODEL)/$(LOSS)/seed$(SEED)

# The environment: made once, and again only when the pins or the package's requirements change.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "lit_seg needs Python >= 3.11; give one by PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

ifeq ($(value TASK),classification)
# The names of parts, and both stages of a method, are the package's own affair. On several ranks a stage is a process
# each: one process cannot join two groups of ranks.
CLASSIFIES = $(RUN) train --data $(call quoted,$(DATA)) --model $(call quoted,$(MODEL)) $(if $(LOSS),--loss $(call quoted,$(LOSS))) \
	--seed $(call quoted,$(SEED)) $(if $(RUNS),--runs $(call quoted,$(RUNS)))
train: $(INSTALLED)
	$(if $(RECIPE)$(INIT)$(WEIGHTS),$(error RECIPE, INIT and WEIGHTS are for segmentation; ARGS="--model.options ..." names weights of a network))$(CHANGED)\
	$(if $(RESUME),$(RUN) fit --resume $(call quoted,$(RESUME)) $(ON),\
		$(if $(RANKS),$(CLASSIFIES) --first_stage $(ON) &&) $(CLASSIFIES) $(ON))

compare: $(INSTALLED)
	$(if $(LOSSES),$(error LOSSES is for segmentation; here METHODS="ce focal" names methods, of which each has its loss))\
	$(VENV)/bin/python -m $(PACKAGE) compare --data $(call quoted,$(DATA)) --methods $(call each,$(METHODS)) --seeds $(call each,$(SEEDS)) --jobs $(call quoted,$(JOBS)) \
		$(if $(RUNS),--runs $(call quoted,$(RUNS))) $(if $(OUT),--out $(call quoted,$(OUT))) -- $(ARGS)
else
train: $(INSTALLED)  ## train LOSS on DATA with MODEL (DATA=<file>.yaml for your own, RECIPE=strong or a paper's); RESUME=<run> goes on, INIT=<file> or WEIGHTS=imagenet starts from weights, GPUS=<n> or PROCESSES=<n> (CPU) trains on n ranks
ifdef RESUME
	$(CHANGED)\
	$(RUN) fit --resume $(call quoted,$(RESUME)) $(ON)
else
	$(strip $(CHECKS))$(RUN) fit $(LAYERS) --seed_everything $(call quoted,$(SEED)) --run_dir $(call quoted,$(FOLDER)) \
		$(if $(INIT),--model.init $(call quoted,$(INIT))) $(if $(WEIGHTS),--model.weights $(call quoted,$(WEIGHTS))) $(ON)
endif

compare: $(INSTALLED)  ## train all LOSSES on all SEEDS and report on them; goes on where it was stopped (JOBS=<runs at a time>, RUNS=<folder>, OUT=<folder of the report>)
	$(VENV)/bin/python -m lit_seg compare --data $(call quoted,$(DATA)) --model $(call quoted,$(MODEL)) $(if $(RECIPE),--recipe $(call quoted,$(RECIPE))) \
		--losses $(call each,$(LOSSES)) --seeds $(call each,$(SEEDS)) --jobs $(call quoted,$(JOBS)) $(if $(RUNS),--runs $(call quoted,$(RUNS))) $(if $(OUT),--out $(call quoted,$(OUT))) -- $(ARGS)
endif

validate: $(INSTALLED)  ## score CKPT=<run or checkpoint> on its validation set
	$(if $(CKPT),,$(error give the run or checkpoint to score: make validate CKPT=runs/...))\
	$(RUN) validate --ckpt_path $(call quoted,$(CKPT)) $(ON)

test-split: $(INSTALLED)  ## score CKPT=<run or checkpoint> on its test set; once, when all is chosen
	$(if $(CKPT),,$(error give the run or checkpoint to score: make test-split CKPT=runs/...))\
	$(RUN) test --ckpt_path $(call quoted,$(CKPT)) $(ON)

predict: $(INSTALLED)  ## label IMAGES=<image, folder, 'pattern', list.txt or video>, or the validation images, by CKPT=<run or checkpoint> (OUT=<folder>)
	$(if $(CKPT),,$(error give the run or checkpoint to use: make predict CKPT=runs/...))\
	$(RUN) predict $(call quoted,$(CKPT)) $(if $(IMAGES),$(call quoted,$(IMAGES))) $(if $(OUT),--out $(call quoted,$(OUT))) $(ARGS)

export: $(INSTALLED)  ## write CKPT=<run or checkpoint> as one file that runs without lit_seg (FORMAT=pt2, onnx or smp; OUT=<folder>)
	$(if $(CKPT),,$(error give the run or checkpoint to export: make export CKPT=runs/...))\
	$(VENV)/bin/python -m $(PACKAGE) export $(call quoted,$(CKPT)) $(if $(FORMAT),--format $(call quoted,$(FORMAT))) $(if $(OUT),--out $(call quoted,$(OUT))) $(ARGS)

test: $(INSTALLED)  ## the tests of the code, without the slow ones
	$(PYTEST) tests lit_seg $(ARGS)

test-all: $(INSTALLED)  ## all tests of the code
	$(PYTEST) -m '' tests lit_seg $(ARGS)

lint: $(INSTALLED)  ## style and likely mistakes
	$(VENV)/bin/ruff check lit_seg tests experiments
	$(VENV)/bin/ruff format --check lit_seg tests experiments

format: $(INSTALLED)  ## bring the code into shape
	$(VENV)/bin/ruff check --fix lit_seg tests experiments
	$(VENV)/bin/ruff format lit_seg tests experiments

type: $(INSTALLED)  ## check the types
	$(VENV)/bin/mypy

check: lint type test  ## lint, types and tests

coverage: $(INSTALLED)  ## branches of losses and metrics that their tests run; fails below 100 %
	$(VENV)/bin/python -m pytest -q tests/losses tests/metrics tests/test_fake_gpu.py --cov lit_seg.losses --cov lit_seg.metrics \
		--cov-branch --cov-fail-under 100 --cov-report term-missing $(ARGS)

# One child: the clock of a mutant's time limit runs while others hold the processor.
mutate: $(INSTALLED)  ## break losses and metrics in every small way and count what the tests catch; an hour
	rm -rf mutants
	OMP_NUM_THREADS=1 $(VENV)/bin/mutmut run --max-children 1
	$(VENV)/bin/python experiments/mutation_score.py

mutations: $(INSTALLED)  ## break every loss in a few chosen places and count what its own tests catch; five minutes
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m tests.mutations

bench: $(INSTALLED)  ## measure speed and memory on this machine in a quarter of an hour (docs/speed.md); goes on where it was stopped, results in OUT (runs/bench)
	$(VENV)/bin/python -m experiments.bench --out $(call quoted,$(or $(OUT),runs/bench)) $(ARGS)

gpu: $(INSTALLED)  ## prove the project on this machine's GPU in nine minutes: right, fast, evidence; results in OUT (runs/gpu)
	$(VENV)/bin/python -m experiments.gpu --out $(call quoted,$(or $(OUT),runs/gpu)) $(ARGS)

gpu-bundle: $(INSTALLED)  ## what a GPU machine without network lacks, into .gpu: wheels and CamVid, small enough to carry
	$(VENV)/bin/python -m experiments.gpu.bundle $(ARGS)

kills: $(INSTALLED)  ## kill a hundred short runs of many kinds, resume them, compare with runs that nobody killed
	$(VENV)/bin/python -m tests.kills $(ARGS)

build: $(INSTALLED)  ## wheel and source distribution into dist/
	$(VENV)/bin/python -m build

clean:  ## remove the environment and what tools left; runs and data stay
	rm -rf $(VENV) dist build mutants *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
