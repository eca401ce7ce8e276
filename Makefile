# Verbs of a line or two each; what takes more lives in tests/*.sh.
.PHONY: help up build check fmt lint test kill-test proof bench footprint clean
.DEFAULT_GOAL := help

help:       ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

up: build   ## build everything and run it on http://127.0.0.1:8080 (Ctrl-C stops it)
	@exec target/quick/switchboard up

build:      ## build the program (profile quick: ready in minutes)
	cargo build --locked --profile quick --package switchboard

check:      ## type-check everything
	cargo check --workspace --all-targets

fmt:        ## format everything
	cargo fmt --all

lint:       ## formatting, clippy, docs: warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

test:       ## everything: units, properties, contracts on SQLite and Postgres, scenarios in both shapes, the page
	tests/run.sh

kill-test:  ## kill -9 at 50 random points of 50 turns; every acknowledged message is there exactly once
	cargo build --locked --package switchboard
	CHAOS_KILLS=50 tests/with-postgres.sh cargo test --locked --package switchboard-tests --test kill -- --nocapture

proof:      ## the long runs: 10 000 races of each kind, 1 000 logins in a storm of refreshes, 200 kill -9 of the notifier
	cargo build --locked --package switchboard
	SWITCHBOARD_RACES=10000 SWITCHBOARD_STORM=1000 tests/with-postgres.sh \
	  cargo test --locked --package switchboard-tests --test contracts -- --nocapture races:: storm_of_refreshes
	CHAOS_KILLS=200 tests/with-postgres.sh \
	  cargo test --locked --package switchboard-tests --test kill -- --nocapture mail::

bench:      ## load-bench: ratios against the limit programs, in one run
	cargo build --locked --profile quick --package switchboard --package switchboard-load
	target/quick/load-bench all

footprint:  ## time to ready and resident memory of the one process
	tests/footprint.sh

clean:      ## remove build output and local data
	cargo clean && rm -rf data
