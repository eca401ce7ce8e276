#!/usr/bin/env bash
# `make test`: everything there is, and says at the end what ran.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"

tests/setup.sh
folder=$(mktemp -d "${TMPDIR:-/tmp}/switchboard-test.XXXXXX")
trap 'rm -rf "$folder"' EXIT
log=$folder/cargo page=$folder/page

# After the build: the stories in the browser start the built program. Where apt-get is, tests/setup.sh has brought the
# browser, so that none may be left out.
customer_page() {
  local left_out
  if ! node --eval 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; then
    echo "there is no Node.js 20 or newer: the page's tests did not run"
    return
  fi
  node --test --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$page" tests/browser/ || return
  left_out=$(grep '# SKIP' "$page" || true)
  if [ -n "$left_out" ]; then
    printf 'left out: %s\n' "$left_out"
    [[ $left_out == *"Chromium is not installed"* && -z ${CHROMIUM:-} ]] && ! command -v apt-get >/dev/null 2>&1
  fi
}

echo "== build"
cargo build --workspace --all-targets --locked
echo "== units, properties, contracts, scenarios, compat, kill (SQLite and Postgres)"
failed=0
tests/with-postgres.sh cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$log" || failed=1
echo "== the customer page"
customer_page || failed=1

echo
echo "== what ran"
awk '/^     Running|^   Doc-tests/ { name = $0; sub(/^ +(Running )?/, "", name); sub(/ \(.*/, "", name) }
     /^test result:/ { total += $4; printf "%6d passed  %s\n", $4, name }
     END { printf "%6d passed  in all\n", total }' "$log"
if [ -f "$page" ]; then
  awk '/^# pass / { passed = $3 } / # SKIP/ { skipped++ }
       END { printf "%6d passed  the customer page (node), %s\n", passed,
             skipped ? "WITHOUT the stories in the browser" : "with the stories in the browser" }' "$page"
else
  echo "     0 passed  the customer page (node), NOT RUN"
fi
if [ "$failed" != 0 ]; then
  echo "FAILED: see above"
fi
exit "$failed"
