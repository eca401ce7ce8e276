#!/usr/bin/env bash
# Installs what the tests need and Cargo does not bring: PostgreSQL (a real one, for the mesh). Does nothing where it is
# there already. On Debian and Ubuntu; elsewhere install PostgreSQL 15 or newer by hand.
set -euo pipefail

have_postgres() {
  command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

if have_postgres; then
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "tests/setup.sh: PostgreSQL (initdb, pg_ctl) is missing, and there is no apt-get to install it with" >&2
  exit 1
fi
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
as_root apt-get update -q
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql
