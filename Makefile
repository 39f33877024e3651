# make quickstart   installs into .venv, then trains and evaluates on the built-in corpus
# make demo         after the quickstart: reads a test clip, draws where the network looked
# make rests        after the quickstart: trains its network on, with signers who rest, so that live it is silent then
# make page         after the quickstart: shows glosses of videos and of a camera in the browser
# make test         installs into .venv, then runs every test
# make test-page    tests of the page alone, in Chromium where it is found
# make test-bare    the same as on a machine with nothing else: no fonts, no sclite, no compiler, an empty home
# make lint         checks style and types

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
RENDERER := $(wildcard dataset/synthetic/*.py)

.PHONY: quickstart rests demo page test test-page test-bare lint install install-page

quickstart: preprocess/quickstart/.done
	$(RUN) main.py --config config/quickstart.yaml --overwrite

MODEL := work_dir/quickstart/best.pt

$(MODEL):
	@test -e $@ || { echo "there is no $@: run make quickstart first"; exit 1; }

rests: $(MODEL) preprocess/rests/.done
	$(RUN) main.py --config config/quickstart.yaml --load-weights $(MODEL) --overwrite \
	    dataset_root=dataset/rests prepared=preprocess/rests work_dir=work_dir/rests \
	    num_epoch=4 optimizer_args.base_lr=5e-4 optimizer_args.step=[2,3] optimizer_args.warmup_steps=50

DEMO := work_dir/demo
CLIP := dataset/quickstart/phoenix-2014-multisigner/features/fullFrame-210x260px/test/24March_2021_Wednesday_studio_default-0

demo: install $(MODEL)
	$(RUN) test_one_video.py --model_path $(MODEL) --video_path $(CLIP) --overlay $(DEMO)/glosses.mp4 \
	    --save $(DEMO)/glosses.eaf $(DEMO)/glosses.srt
	$(RUN) generate_cam.py --model_path $(MODEL) --video_path $(CLIP) --out $(DEMO)/heat

# The network that has seen rests, where its training has ended, which writes the report.
page: MODEL := $(if $(wildcard work_dir/rests/report.html),work_dir/rests/best.pt,$(MODEL))

page: install-page $(MODEL)
	$(RUN) -m page --model_path $(MODEL)

# A process a core, four at most: each takes about 1.5 GB. They take files in order, and from each other at the end,
# so that most module fixtures are made once.
PYTEST := -m pytest -n auto --maxprocesses 4 --dist worksteal

test: install-page
	$(RUN) $(PYTEST)

test-page: install-page
	$(RUN) $(PYTEST) -rs tests/page

# Fonts are those that come with Pillow and matplotlib; programs are the few that every system has.
BARE := $(CURDIR)/work_dir/bare
BARE_PROGRAMS := sh touch cat

test-bare: install-page
	rm -rf $(BARE)
	mkdir -p $(BARE)/bin $(BARE)/home
	ln -s $(foreach program,$(BARE_PROGRAMS),$(shell command -v $(program) ;)) $(BARE)/bin
	env -i BARE=1 HOME=$(BARE)/home PATH=$(BARE)/bin LC_ALL=C XDG_DATA_DIRS=$(BARE) $(CURDIR)/$(RUN) $(PYTEST) -rs

lint: install-page
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

install: $(VENV)/installed

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 10) and "Python 3.10 or newer is needed, this is %d.%d; give another with PYTHON=..." % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -r requirements.txt
	touch $@

install-page: $(VENV)/installed-page

$(VENV)/installed-page: requirements-page.txt $(VENV)/installed
	$(RUN) -m pip install -r requirements-page.txt
	touch $@

# Rendered again when the renderer or this file changes; written aside and moved, so that an interrupted run leaves
# nothing that looks finished.
dataset/rests/.done: RENDERING := --rests 0.5

dataset/quickstart/.done dataset/rests/.done: dataset/%/.done: Makefile $(RENDERER) | install
	rm -rf dataset/$* dataset/$*.part
	$(RUN) -m dataset.synthetic --layout phoenix2014 --out dataset/$*.part --glosses 12 --train 320 $(RENDERING)
	mv dataset/$*.part dataset/$*
	touch $@

preprocess/quickstart/.done preprocess/rests/.done: preprocess/%/.done: dataset/%/.done | install
	rm -rf preprocess/$*
	$(RUN) -m preprocess.prepare --dataset phoenix2014 --dataset-root dataset/$* --output preprocess/$* \
	    --process-image --multiprocessing --frame-size 72
	touch $@
