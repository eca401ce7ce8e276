#!/usr/bin/env bash
# Runs a command beside a private PostgreSQL: a fresh cluster in a temporary folder, on a free port, stopped and deleted
# afterwards. The command finds it in SWITCHBOARD_TEST_POSTGRES. An own server can be given in the same variable.
set -euo pipefail

if [ -n "${SWITCHBOARD_TEST_POSTGRES:-}" ]; then
  exec "$@"
fi

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
[ -n "$bin" ] || bin=$(dirname "$(command -v initdb)")
folder=$(mktemp -d "${TMPDIR:-/tmp}/switchboard-postgres.XXXXXX")
# The server refuses to run as root.
if [ "$(id -u)" = 0 ]; then
  chown postgres "$folder"
  as_server() { runuser -u postgres -- "$@"; }
else
  as_server() { "$@"; }
fi
# shellcheck disable=SC2329
stop() {
  as_server "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT

as_server "$bin/initdb" -D "$folder/data" -U postgres -A trust --no-sync -E UTF8 --locale=C.UTF-8 >"$folder/initdb.log"
# Below 32768: above, client sockets take ports at random. A taken port makes the start fail, so try a few.
for _ in 1 2 3 4 5 6 7 8; do
  port=$((20000 + RANDOM % 12000))
  options="-p $port -k $folder -c listen_addresses=127.0.0.1 -c max_connections=300"
  if as_server "$bin/pg_ctl" -D "$folder/data" -w -t 30 -o "$options" -l "$folder/server.log" start >/dev/null; then
    export SWITCHBOARD_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres"
    break
  fi
done
if [ -z "${SWITCHBOARD_TEST_POSTGRES:-}" ]; then
  cat "$folder/server.log" >&2
  exit 1
fi
"$@"
