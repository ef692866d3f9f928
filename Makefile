# Each target does all its own set-up in .venv; nothing is needed but Python 3.11-3.13 and make.
PYTHON ?= python3
BIN := .venv/bin
# tensorflow-cpu has no wheels outside Linux and Windows on x86.
TENSORFLOW := $(if $(filter Linux-x86_64,$(shell uname -sm | tr ' ' -)),tensorflow-cpu,tensorflow)
# Keras' oldest supported release; the environment has the newest one.
OLDEST_KERAS := 3.14.1

.PHONY: demo test lint fuzz soak pictures memory cost check-cost report-cost diagnose-cost kills test-slow coverage wiring-table strangers bench-detection bench-averaging bench-images bench-embeddings bench-overhead zoo-images zoo bench-triage bench-triage-images ray triage-camel notebook gpu rehearse-gpu triage-cost clean help

help:
	@echo "make demo            train the camel GAN with the monitor (4 minutes on 2 cores)"
	@echo "make test            lint, types, import layers and the suite (15 to 40 minutes)"
	@echo "make test-slow       the tests marked slow: audit, objectives, pairs of runs and what callbacks do"
	@echo "                     on TensorFlow and JAX; run it after a change in keras_collapse/training"
	@echo "make coverage        what the tests reach on PyTorch and without a backend, with its floor; run it"
	@echo "                     when code is added (15 minutes)"
	@echo "make wiring-table    docs/wiring-table.md, from the programs of tests/training/wiring"
	@echo "make strangers       docs/strangers.md: GANs as others write them, correct and faulty, judged by"
	@echo "                     an oracle; needs KERAS_COLLAPSE_DATA (3 hours on 2 cores; it resumes)"
	@echo "make fuzz            100,000 broken logs of each format to the readers, in pieces of 10 minutes a"
	@echo "                     format; it continues where it stopped (two hours for all)"
	@echo "make soak            an hour of trainings with all outputs: memory, threads and files must stay flat"
	@echo "make kills           kill -9 of 50 trainings, and of 50 triages and their trials (half an hour)"
	@echo "make pictures        the pictures of README and docs (10 minutes; needs chromium)"
	@echo "make cost            CPU time of the monitor per training step, in microseconds"
	@echo "make check-cost      CPU time of a sample check's comparison, in milliseconds"
	@echo "make diagnose-cost   readings a second and memory of diagnose on a log of a million steps"
	@echo "make memory          memory of the monitor over 100,000 steps"
	@echo "make report-cost     time and size of a report of 100,000 steps"
	@echo "make bench-detection docs/benchmarks/detection.md: detectors on recorded trainings (a minute)"
	@echo "make bench-images    docs/benchmarks/images.md: detectors on convolutional GANs (a minute)"
	@echo "make bench-embeddings docs/benchmarks/embeddings.md: descriptions of images compared, on the samples"
	@echo "                     of those GANs (make zoo-images first; 3 minutes)"
	@echo "make bench-overhead  docs/benchmarks/overhead.md: what callbacks add to a fit (30 minutes; it resumes)"
	@echo "make zoo-images      train and record those of them that are missing; needs KERAS_COLLAPSE_DATA"
	@echo "                     (5 hours on 2 cores for all; it resumes)"
	@echo "make bench-averaging how often the averaging of a log is recognised, on recorded trainings"
	@echo "                     (trains them first: 10 minutes)"
	@echo "make zoo             record the trainings of that benchmark that are missing (3 hours for all)"
	@echo "make bench-triage    docs/benchmarks/triage.md: triages of injected causes (an hour)"
	@echo "make bench-triage-images docs/benchmarks/triage-images.md: the same on convolutional GANs; needs"
	@echo "                     KERAS_COLLAPSE_DATA (hours; it resumes)"
	@echo "make notebook        run examples/04_01_gan_camel_train.ipynb and keep its outputs (20 minutes)"
	@echo "make triage-camel    the triage guide's plans on the small camel GAN, correct and leaking"
	@echo "make ray             trials on a local Ray cluster, one node killed; run it after a change in"
	@echo "                     keras_collapse/triage/executors (2 minutes)"
	@echo "make triage-cost     time and memory of the runner itself on a thousand instant trials (a minute)"
	@echo "make gpu             docs/benchmarks/gpu.md, on a machine with an NVIDIA GPU: bits, cost of watching,"
	@echo "                     Plan A and B at full size; DATA=camels.npy for real drawings, WHEELS=FOLDER"
	@echo "                     without a network (an hour; it resumes, tests/gpu/gpu_bench.py --part a to d)"
	@echo "make rehearse-gpu    the same, tiny, on the CPU, without the page (20 minutes)"

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else \
	  "Python 3.11 to 3.13 is needed. Received: %d.%d. Run make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/demo-ready: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet -e '.[$(TENSORFLOW)]'
	@touch $@

.venv/test-ready: .venv/demo-ready
	$(BIN)/pip install --quiet -e '.[$(TENSORFLOW),jax,dev]' torch==2.13.0
	$(BIN)/pip install --quiet --no-deps --target .venv/keras-$(OLDEST_KERAS) keras==$(OLDEST_KERAS)
	@touch $@

demo: .venv/demo-ready
	$(BIN)/keras-collapse demo

lint: .venv/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	OLDEST_KERAS=.venv/keras-$(OLDEST_KERAS) $(BIN)/python tests/run.py

fuzz: .venv/test-ready
	$(BIN)/python tests/fuzz/fuzz.py --seconds 600

soak: .venv/test-ready
	KERAS_BACKEND=torch OMP_NUM_THREADS=1 $(BIN)/python tests/costs/soak.py

kills: .venv/test-ready
	KERAS_BACKEND=torch OMP_NUM_THREADS=1 $(BIN)/python tests/kills/trainings.py
	KERAS_BACKEND=torch OMP_NUM_THREADS=1 $(BIN)/python tests/kills/triages.py

pictures: .venv/test-ready
	KERAS_BACKEND=jax $(BIN)/python docs/pictures/make.py

memory: .venv/test-ready
	KERAS_BACKEND=jax $(BIN)/python tests/costs/memory.py

cost: .venv/test-ready
	KERAS_BACKEND=jax $(BIN)/python tests/costs/step.py

check-cost: .venv/test-ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/costs/check.py

diagnose-cost: .venv/test-ready
	$(BIN)/python tests/costs/diagnose.py

report-cost: .venv/test-ready
	$(BIN)/python tests/costs/report.py

test-slow: .venv/test-ready
	OLDEST_KERAS=.venv/keras-$(OLDEST_KERAS) $(BIN)/python tests/run.py --slow

coverage: .venv/test-ready
	$(BIN)/python tests/run.py --coverage

wiring-table: .venv/test-ready
	$(BIN)/python tests/training/wiring/table.py .venv/keras-$(OLDEST_KERAS)

strangers: .venv/test-ready
	-$(BIN)/python tests/strangers/run.py --backend tensorflow
	-$(BIN)/python tests/strangers/run.py --backend jax
	-$(BIN)/python tests/strangers/run.py --keras .venv/keras-$(OLDEST_KERAS) --correct
	$(BIN)/python tests/strangers/run.py --backend torch

bench-detection: .venv/test-ready
	$(BIN)/python tests/zoo/bench.py

bench-averaging: .venv/test-ready
	KERAS_BACKEND=jax $(BIN)/python tests/zoo/averaging_bench.py record
	$(BIN)/python tests/zoo/averaging_bench.py

bench-images: .venv/test-ready
	$(BIN)/python tests/zoo/images/image_bench.py

bench-embeddings: .venv/test-ready
	$(BIN)/python tests/zoo/images/embeddings.py

bench-overhead: .venv/test-ready
	KERAS_BACKEND=jax $(BIN)/python tests/costs/overhead.py
	KERAS_BACKEND=tensorflow $(BIN)/python tests/costs/overhead.py
	KERAS_BACKEND=torch OMP_NUM_THREADS=1 $(BIN)/python tests/costs/overhead.py
	KERAS_BACKEND=tensorflow $(BIN)/python tests/costs/image_overhead.py camel
	KERAS_BACKEND=tensorflow $(BIN)/python tests/costs/image_overhead.py dcgan64
	$(BIN)/python tests/costs/overhead_page.py

notebook: .venv/test-ready
	KERAS_BACKEND=tensorflow $(BIN)/python tests/guide_notebook.py

zoo-images: .venv/test-ready
	KERAS_BACKEND=tensorflow $(BIN)/python tests/zoo/images/trainings.py 1 2 & \
	  KERAS_BACKEND=tensorflow $(BIN)/python tests/zoo/images/trainings.py 0 2; wait
	KERAS_BACKEND=tensorflow $(BIN)/python tests/zoo/images/record.py

zoo: .venv/test-ready
	KERAS_BACKEND=jax $(BIN)/python tests/zoo/make.py
	KERAS_BACKEND=jax $(BIN)/python tests/zoo/fits.py

bench-triage: .venv/test-ready
	KERAS_BACKEND=jax $(BIN)/python tests/zoo/triage_bench.py

bench-triage-images: .venv/test-ready
	KERAS_BACKEND=tensorflow $(BIN)/python tests/zoo/images/triage/score.py

triage-camel: .venv/test-ready
	-KERAS_BACKEND=jax $(BIN)/keras-collapse triage full examples/camel_gan.py:train --preset small
	-KERAS_BACKEND=jax $(BIN)/keras-collapse triage full examples/camel_gan.py:train --preset small \
	  --out collapse_triage/camel_gan-leak -- --fault leak

ray: .venv/test-ready
	$(BIN)/pip install --quiet -e '.[ray]'
	$(BIN)/python tests/triage/executors/ray_cluster.py

triage-cost: .venv/test-ready
	$(BIN)/python tests/triage/thousand.py

# The backends with CUDA; with WHEELS=FOLDER nothing is downloaded.
.venv/gpu-ready: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet $(if $(WHEELS),--no-index --find-links $(WHEELS)) -e . 'jax[cuda12]' torch
	@touch $@

gpu: .venv/gpu-ready
	$(BIN)/python tests/gpu/gpu_bench.py --limit 36000 $(if $(DATA),--data $(DATA))

rehearse-gpu: .venv/test-ready
	$(BIN)/python tests/gpu/gpu_bench.py --rehearse --limit 36000

clean:
	rm -rf .venv collapse_runs collapse_triage mlruns mlflow.db
