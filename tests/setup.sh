#!/usr/bin/env bash
# Installs what the tests need and Cargo does not bring: PostgreSQL (a real one, for the mesh), Redis, Chromium for
# the customer page. Does nothing where all is there already. On Debian and Ubuntu; elsewhere install them by hand:
# PostgreSQL 15 or newer is a must. The page's tests also want Node.js 20 or newer.
set -euo pipefail

have() { command -v "$1" >/dev/null 2>&1; }
have_postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
# The names that tests/browser/chromium.mjs looks for.
have_chromium() {
  [ -n "${CHROMIUM:-}" ] || have chromium || have chromium-browser || have google-chrome || have google-chrome-stable
}

missing=()
have_postgres || missing+=(postgresql)
have redis-server || missing+=(redis-server)
have_chromium || missing+=(chromium)
# An older one knows too little.
if ! have node && have apt-cache && apt-cache policy nodejs | grep -qE 'Candidate: ([2-9][0-9]|[0-9]{3})\.'; then
  missing+=(nodejs)
fi
if [ ${#missing[@]} = 0 ]; then
  exit 0
fi
if ! have apt-get; then
  echo "tests/setup.sh: missing, and there is no apt-get to install it with: ${missing[*]}" >&2
  have_postgres
  exit
fi
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
as_root apt-get update -q
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
# The tests start their own.
if [[ " ${missing[*]} " == *" redis-server "* ]] && have systemctl; then
  as_root systemctl disable --now redis-server >/dev/null 2>&1 || true
fi
