# Everything for a machine without ROS: ROS 2 comes as wheels into .venv. `make help` lists the targets.

SHELL := /bin/sh
VENV := .venv
TORCH_VENV := .venv-torch
# Ray is not in .venv: the tests there see what the command says without it, and its known faults are
# those of a cluster that anybody can reach, which nobody starts there.
LABEL_VENV := .venv-label
BIN := $(VENV)/bin
# In the environment, so that it lives and goes with what is installed from it.
MESSAGES_BUILD := $(VENV)/build-messages
# Most tests wait for a node, so there are more workers than cores. One by one: PARALLEL=
# A worker that crashes is not replaced: the run would wait for ever for the tests that it held.
PARALLEL := -n 5 --dist loadscope --no-loadscope-reorder --max-worker-restart 0
# Those of PyTorch compute all the time.
PARALLEL_TORCH := -n 2 --dist loadscope --no-loadscope-reorder --max-worker-restart 0

# A sourced ROS install, or an environment of other wheels, must not leak into this one.
unexport PYTHONPATH PYTHONHOME AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH
unexport ROS_DISTRO RMW_IMPLEMENTATION _ROS_WHEELS_BOOTSTRAP_COMPLETE

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help build demo golden test check fuzz soak format torch tabletop test-torch test-label label-scale test-look look-load \
  verify-full clean distclean
.DELETE_ON_ERROR:

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## */\t/' | expand -t 16

build: $(VENV)/messages.stamp ## .venv with ROS 2, the messages and this package (PYTHON=... picks a Python)

demo: build ## replay the tabletop bag through the node; table, video and contact sheet in out/
	$(BIN)/sam3-ros demo

golden: build ## answer the tabletop bag anew for the tests, after a change that is meant to change answers
	$(BIN)/sam3-ros replay sam3_ros/demo_data/tabletop_bag --expect test/replay/tabletop.yaml --update

test: build ## the tests (ARGS="-k bundle" narrows them)
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: build ## ruff, mypy, which room imports which, known faults of the dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q test/test_import_direction.py
	$(BIN)/python .ci/audit.py

fuzz: build ## 10,000 hostile inputs over DDS, in files and bundles; figures, and what failed in out/hostile (ARGS="--seed 1")
	PYTHONPATH=test:test/support $(BIN)/python -m hostile $(ARGS)

soak: build ## the node for an hour, two cameras, changing prompts: what grows, in out/soak (ARGS="--minutes 5")
	PYTHONPATH=test:test/support $(BIN)/python -m soak $(ARGS)

format: build ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

torch: $(TORCH_VENV)/packages.stamp ## .venv-torch with PyTorch, to export models: .venv-torch/bin/sam3-ros export

tabletop: $(TORCH_VENV)/packages.stamp ## train, evaluate and write the shipped bundle (one and a half to four hours)
	$(TORCH_VENV)/bin/python -m sam3_ros.training.tabletop $(ARGS)

test-torch: $(TORCH_VENV)/packages.stamp ## the tests that need PyTorch: exports at small sizes, a few steps of training
	$(TORCH_VENV)/bin/python -m pytest -c pyproject.toml test/with_torch $(PARALLEL_TORCH) $(ARGS)

test-label: $(LABEL_VENV)/packages.stamp ## the tests that need Ray, on a cluster of this machine
	$(LABEL_VENV)/bin/python -m pytest -c pyproject.toml test/with_ray $(ARGS)

label-scale: $(LABEL_VENV)/packages.stamp ## many labelling workers that only wait: how near to linear, the driver's memory (ARGS="--workers 64")
	PYTHONPATH=test:test/support $(LABEL_VENV)/bin/python -m label_scale $(ARGS)

test-look: build $(VENV)/browser.stamp ## the page of `sam3-ros look` in a real Chromium
	$(BIN)/python -m pytest test/with_browser $(ARGS)

look-load: build $(VENV)/browser.stamp ## what the page costs the node, and how fast it is (ARGS="--viewers 10 --minutes 5")
	PYTHONPATH=test:test/support $(BIN)/python -m look_load $(ARGS)

verify-full: $(TORCH_VENV)/packages.stamp ## export and verify real sizes (minutes, 12 GB of memory; ARGS="-k mobilesam" narrows)
	$(TORCH_VENV)/bin/python -m pytest -c pyproject.toml test/full_size -s $(ARGS)

clean: ## caches and the demo's output
	rm -rf build install log out .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find sam3_ros test -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## the environments too
	rm -rf $(VENV) $(TORCH_VENV) $(LABEL_VENV)

$(VENV)/pyvenv.cfg:
	@python=$$(.ci/find-python) && echo "sam3_ros: $(VENV) with $$python" && \
	$$python -m venv --clear $(VENV)

$(VENV)/packages.stamp: $(VENV)/pyvenv.cfg pyproject.toml setup.py
	@echo "sam3_ros: installing ROS 2 and the libraries from PyPI (about a minute)"
	$(BIN)/pip install --quiet --use-pep517 --editable '.[ros,test,dev]'
	@touch $@

$(VENV)/messages.stamp: $(VENV)/packages.stamp CMakeLists.txt package.xml $(wildcard msg/*.msg srv/*.srv) config launch
	@echo "sam3_ros: generating the messages (about half a minute)"
	@PATH="$(abspath $(BIN)):$$PATH" AMENT_PREFIX_PATH="$(abspath $(VENV))" .ci/quietly \
	$(BIN)/cmake -S . -B $(MESSAGES_BUILD) -G Ninja \
	  -DCMAKE_BUILD_TYPE=Release \
	  -DCMAKE_PREFIX_PATH="$(abspath $(VENV))" \
	  -DCMAKE_INSTALL_PREFIX="$(abspath $(VENV))" \
	  -DPython3_EXECUTABLE="$(abspath $(BIN))/python" \
	  -DAMENT_CMAKE_SYMLINK_INSTALL=1 \
	  -DSAM3_ROS_DEVELOP=ON \
	  -DBUILD_TESTING=OFF
	@PATH="$(abspath $(BIN)):$$PATH" AMENT_PREFIX_PATH="$(abspath $(VENV))" .ci/quietly \
	$(BIN)/cmake --build $(MESSAGES_BUILD) --target install
	@touch $@

# Into .venv, which has the node; no other test needs it. Ubuntu has its Chromium as a snap, which
# takes no orders, and Google's own often beside it.
$(VENV)/browser.stamp: $(VENV)/packages.stamp
	@command -v google-chrome >/dev/null || .ci/find-python chromium >/dev/null
	$(BIN)/pip install --quiet --use-pep517 --editable '.[test-look]'
	@touch $@

$(TORCH_VENV)/packages.stamp: pyproject.toml
	@python=$$(.ci/find-python libosmesa6) && $$python -m venv --clear $(TORCH_VENV)
	$(TORCH_VENV)/bin/pip install --quiet --editable '.[export,training,test]'
	@# For CLIP's vocabulary alone: the package itself would want torchvision.
	$(TORCH_VENV)/bin/pip install --quiet --no-deps 'open_clip_torch>=3,<4'
	@touch $@

$(LABEL_VENV)/packages.stamp: pyproject.toml
	@python=$$(.ci/find-python) && $$python -m venv --clear $(LABEL_VENV)
	$(LABEL_VENV)/bin/pip install --quiet --use-pep517 --editable '.[ros,label]' 'pytest>=8,<10' 'pytest-timeout>=2.3,<3'
	@touch $@
