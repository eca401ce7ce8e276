#!/usr/bin/env bash
# `make test`: everything there is, and says at the end what ran.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"

tests/setup.sh
log=$(mktemp "${TMPDIR:-/tmp}/switchboard-test.XXXXXX")
trap 'rm -f "$log"' EXIT

echo "== build"
cargo build --workspace --all-targets --locked
echo "== units, properties, contracts, scenarios, compat, kill (SQLite and Postgres)"
tests/with-postgres.sh cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$log"
echo "== the customer page"
if command -v node >/dev/null 2>&1; then
  node --test tests/browser/ 2>&1 | tail -n 12 | tee -a "$log"
else
  echo "node is not installed: the page's tests did not run" | tee -a "$log"
fi

echo
echo "== what ran"
awk '/^     Running|^   Doc-tests/ { name = $0; sub(/^ +(Running )?/, "", name); sub(/ \(.*/, "", name) }
     /^test result:/ { total += $4; printf "%6d passed  %s\n", $4, name }
     END { printf "%6d passed  in all\n", total }' "$log"
grep -E '^(# pass|ℹ pass)' "$log" | sed -E 's/[^0-9]*([0-9]+).*/     \1 passed  the customer page (node)/' || true
