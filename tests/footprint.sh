#!/usr/bin/env bash
# Time from start to the first answer, and resident memory of the idle process: `make footprint`.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-target/quick/switchboard}
[ -x "$program" ] || { echo "build it first: make build" >&2; exit 1; }
folder=$(mktemp -d "${TMPDIR:-/tmp}/switchboard-footprint.XXXXXX")
port=$((20000 + RANDOM % 12000))
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
now_ms() { date +%s%3N; }

measure() { # label
  local begun ready
  begun=$(now_ms)
  "$program" up --data-dir "$folder/data" --listen "127.0.0.1:$port" >"$folder/out" 2>"$folder/err" &
  pid=$!
  until curl -fs -o /dev/null "http://127.0.0.1:$port/readyz"; do
    kill -0 "$pid" 2>/dev/null || { cat "$folder/err" >&2; exit 1; }
    sleep 0.01
  done
  ready=$(now_ms)
  sleep 3
  local rss
  rss=$(awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$pid/status")
  echo "$1: ready after $((ready - begun)) ms, resident memory idle $rss MiB"
  kill -TERM "$pid"
  wait "$pid"
  pid=
}

measure "first start (makes databases, key, first admin)"
measure "next start"
