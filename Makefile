# run · test · bench · setup: each does its own set-up; what is there already costs no time.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test bench bench-reports measured setup build debug format lint

PG_BINDIR ?= /usr/lib/postgresql/15/bin
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# pgrx declares a newer compiler than it needs.
CARGO_FLAGS := --locked --ignore-rust-version
# Arguments for `make run`, such as UP="--port 7000".
UP ?=
# Arguments for `make bench` and `make bench-reports`, such as BENCH="--rounds 5".
BENCH ?=

export PGRX_PG_CONFIG_PATH := $(PG_BINDIR)/pg_config

help:
	@echo "make run    install what is missing, build, and start everything (Ctrl-C stops it)"
	@echo "make test   formatting, lints and every test"
	@echo "make bench  compare with PostgreSQL directly and with PgBouncer; writes benches/results.md"
	@echo "make bench-reports  only what session reports cost PostgreSQL; a section of benches/results.md"
	@echo "make setup  only install what is missing"

setup:
	@scripts/setup.sh bench

run: build
	@exec "$(TARGET)/release/taskmaster" up --pg-bindir "$(PG_BINDIR)" $(UP)

build:
	@scripts/setup.sh run
	cargo build --release $(CARGO_FLAGS) -p taskmaster -p taskmaster-schema -p taskmaster-proxy
	@"$(TARGET)/release/taskmaster-schema" --library "$(TARGET)/release/libtaskmaster.so" \
	    --out "$(TARGET)/release/extension"

test: format lint debug
	@if command -v cargo-nextest >/dev/null; then \
	    cargo nextest run --workspace $(CARGO_FLAGS); \
	else \
	    cargo test --workspace --lib --bins --tests $(CARGO_FLAGS); \
	fi
	cargo test --doc $(CARGO_FLAGS) -p taskmaster-proxy -p taskmaster-migrations -p taskmaster-tests

format:
	@scripts/setup.sh test
	cargo fmt --all --check

lint:
	@scripts/setup.sh test
	cargo clippy --workspace --all-targets $(CARGO_FLAGS) -- -D warnings

# The tests, and what they run: the program and the extension's files.
debug:
	@scripts/setup.sh test
	cargo build --workspace --all-targets $(CARGO_FLAGS)
	@"$(TARGET)/debug/taskmaster-schema" --library "$(TARGET)/debug/libtaskmaster.so" \
	    --out "$(TARGET)/debug/extension"

bench: measured
	@scripts/newest-pgbouncer.sh "$(TARGET)/pgbouncer"
	@newest="$(TARGET)/pgbouncer/pgbouncer"; test -x "$$newest" || newest=/usr/sbin/pgbouncer; \
	    set -x; "$(TARGET)/release/side-by-side" --pgbouncer "$$newest" $(BENCH)

bench-reports: measured
	"$(TARGET)/release/side-by-side" --only reports $(BENCH)

# What the benchmarks run, built as for production.
measured:
	@scripts/setup.sh bench
	cargo build --release $(CARGO_FLAGS) -p taskmaster -p taskmaster-schema -p taskmaster-proxy \
	    -p taskmaster-benches
	@"$(TARGET)/release/taskmaster-schema" --library "$(TARGET)/release/libtaskmaster.so" \
	    --out "$(TARGET)/release/extension"
